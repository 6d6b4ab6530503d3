import Archive
import LinuxSystem
import OCI
import Values

extension ImageStore {
    /// Loads the images of a docker-archive or an OCI layout, plain or compressed: all of them or, where one is
    /// damaged, none.
    ///
    /// - Parameters:
    ///   - descriptor: is read to the end of the archive and stays the caller's.
    ///   - progress: is called on the thread that loads.
    public func load(
        from descriptor: Int32, progress: @escaping @Sendable (ImageLoadProgress) -> Void = { _ in }
    ) async throws -> [ImageRecord] {
        try await BlockingWork.run {
            let archive = try LoadedArchive(descriptor) { self.stagingPath() }
            let transfer = self.transfer()
            defer { transfer.end() }
            let images: [(manifest: Digest, references: [ImageReference])]
            do {
                images = try Loading(store: self, archive: archive, transfer: transfer).images()
            } catch let error as OCIError {
                throw ImageStoreError(.invalidParameter, error.message)
            }
            return try self.install(images, transfer: transfer, progress: progress)
        }
    }
}

/// Takes the images out of an archive: their blobs become the store's, their manifests are found or made.
private struct Loading {
    let store: ImageStore
    let archive: LoadedArchive
    let transfer: ImageTransfer

    func images() throws -> [(manifest: Digest, references: [ImageReference])] {
        if let index = try archive.bytes(ImageLayout.index, limit: ImageManifest.maximumBytes) {
            return try layoutImages(ImageIndex(parsing: index))
        }
        if let items = try dockerItems() { return try items.map { try dockerImage($0) } }
        throw ImageStoreError(
            .invalidParameter,
            "invalid archive: it holds neither \(ImageLayout.dockerManifest) nor \(ImageLayout.index)")
    }

    private func dockerItems() throws -> [DockerArchiveItem]? {
        let bytes = try archive.bytes(ImageLayout.dockerManifest, limit: DockerArchiveItem.maximumBytes)
        return try bytes.map { try DockerArchiveItem.parse($0) }
    }

    private func references(_ item: DockerArchiveItem) throws -> [ImageReference] {
        try item.references.map { text in
            let reference = try ImageReference(parsing: text).tagged
            guard reference.digest == nil else {
                throw ImageStoreError(.invalidParameter, "invalid tag \"\(text)\"")
            }
            return reference
        }
    }

    // MARK: docker-archive

    private func dockerImage(_ item: DockerArchiveItem) throws -> (manifest: Digest, references: [ImageReference]) {
        guard let bytes = try archive.bytes(item.configuration, limit: ImageConfiguration.maximumBytes) else {
            throw missing(item.configuration)
        }
        let configuration = try ImageConfiguration(parsing: bytes)
        guard configuration.diffIDs.count == item.layers.count else {
            throw ImageStoreError(
                .invalidParameter,
                "invalid manifest, layers length mismatch: expected \(configuration.diffIDs.count), got "
                    + "\(item.layers.count)")
        }
        let layers = try item.layers.map { path in
            guard let file = try archive.file(path) else { throw missing(path) }
            let content = file.content
            let compression = LayerCompression(firstBytes: file.firstBytes)
            try transfer.commit(file, as: content.digest)
            return ContentDescriptor(mediaType: compression.mediaType, digest: content.digest, size: content.size)
        }
        return (try store.addManifest(configuration: bytes, layers: layers, transfer), try references(item))
    }

    private func missing(_ path: String) -> ImageStoreError {
        ImageStoreError(.corrupted, "invalid archive: \(path) is missing")
    }

    // MARK: OCI layout

    private func layoutImages(_ index: ImageIndex) throws -> [(manifest: Digest, references: [ImageReference])] {
        var order: [Digest] = []
        var names: [Digest: [ImageReference]] = [:]
        for descriptor in index.manifests where !descriptor.isAttestation {
            let manifest = try layoutManifest(descriptor)
            if names[manifest] == nil {
                order.append(manifest)
                names[manifest] = []
            }
            if let name = try reference(descriptor, manifest), !names[manifest]!.contains(name) {
                names[manifest]!.append(name)
            }
        }
        guard !order.isEmpty else { throw ImageStoreError(.invalidParameter, "invalid archive: it holds no image") }
        // Docker writes both forms into one archive; tags may be in one of them alone.
        for item in try dockerItems() ?? [] {
            for digest in order {
                let manifest = try ImageManifest(
                    parsing: store.read(blob: digest, limit: ImageManifest.maximumBytes))
                guard item.configuration == ImageLayout.path(of: manifest.configuration.digest) else { continue }
                for name in try references(item) where !names[digest]!.contains(name) { names[digest]!.append(name) }
            }
        }
        return order.map { ($0, names[$0]!) }
    }

    /// The manifest that a descriptor means on this platform, whose blobs are then the store's.
    private func layoutManifest(_ descriptor: ContentDescriptor, depth: Int = 0) throws -> Digest {
        try take(descriptor.digest)
        if descriptor.mediaType.isIndex {
            let index = try ImageIndex(
                parsing: store.read(blob: descriptor.digest, limit: ImageManifest.maximumBytes))
            guard let chosen = index.manifest(for: store.platform), depth < 4 else {
                throw ImageStoreError(.invalidParameter, "the archive holds no image for \(store.platform)")
            }
            return try layoutManifest(chosen, depth: depth + 1)
        }
        let manifest = try ImageManifest(
            parsing: store.read(blob: descriptor.digest, limit: ImageManifest.maximumBytes))
        for part in [manifest.configuration] + manifest.layers { try take(part.digest) }
        return descriptor.digest
    }

    private func take(_ blob: Digest) throws {
        if let file = try archive.blob(blob) {
            try transfer.commit(file, as: blob)
        } else if !transfer.contains(blob) {
            throw missing(ImageLayout.path(of: blob))
        }
    }

    private func reference(_ descriptor: ContentDescriptor, _ manifest: Digest) throws -> ImageReference? {
        let annotations = descriptor.annotations ?? [:]
        let text: String
        if let name = annotations[ContentDescriptor.imageNameAnnotation] {
            text = name
        } else if let name = annotations[ContentDescriptor.referenceNameAnnotation],
            name.contains("/") || name.contains(":")
        {
            text = name
        } else {
            // A tag alone names no image.
            return nil
        }
        let reference = try ImageReference(parsing: text).tagged
        guard let digest = reference.digest else { return reference }
        return digest == manifest ? reference.with(digest: digest) : nil
    }
}
