import Archive
import Glibc
import LinuxSystem
import OCI
import Values

extension ImageStore {
    /// Begins to take in an image from elsewhere.
    public func transfer() -> ImageTransfer { ImageTransfer(store: self) }

    /// Gives an image one more name, taken from the image that had it.
    public func tag(_ name: String, as reference: String) async throws {
        let target = try Catalog.reference(reference).tagged
        guard target.digest == nil else {
            throw ImageStoreError(.invalidParameter, "refusing to create a tag with a digest reference")
        }
        guard target.familiarName != "sha256" else {
            throw ImageStoreError(
                .invalidParameter, "refusing to create an ambiguous tag using digest algorithm as name")
        }
        try await BlockingWork.run {
            try self.change { catalog in
                _ = catalog.assign(target, to: try catalog.find(name).id, at: Clock.now())
            }
        }
    }

    /// Takes a name from an image; with the last name, or when asked for by id, the image goes too (Docker's rules).
    ///
    /// - Parameter users: the containers of this host.
    public func remove(_ name: String, force: Bool, users: [ImageUser]) async throws -> [ImageRemoval] {
        try await BlockingWork.run {
            let (removals, removed) = try self.change { try $0.remove(name, force: force, users: users) }
            guard let removed else { return removals }
            return removals + self.collect(blobs: removed.blobs, layers: removed.chain.reversed()).map { .deleted($0) }
        }
    }

    /// Removes images that no container uses: those without a name, or all, where `matches` agrees.
    public func prune(
        all: Bool, users: [ImageUser], matches: @escaping @Sendable (ImageRecord) -> Bool = { _ in true }
    ) async throws -> (removals: [ImageRemoval], reclaimedBytes: Int64) {
        try await BlockingWork.run {
            var (removals, removed) = try self.change { $0.prune(all: all, users: users, matches: matches) }
            var reclaimed: Int64 = 0
            for entry in removed {
                let sizes = Dictionary(zip(entry.chain, entry.layerSizes), uniquingKeysWith: { $1 })
                for layer in self.collect(blobs: entry.blobs, layers: entry.chain.reversed()) {
                    removals.append(.deleted(layer))
                    reclaimed += sizes[layer] ?? 0
                }
            }
            return (removals, reclaimed)
        }
    }

    /// Makes an image of one layer from the tar archive of a root file system, plain or compressed.
    ///
    /// - Parameters:
    ///   - descriptor: stays the caller's.
    ///   - changes: Dockerfile instructions such as `CMD ["serve"]`.
    ///   - message: the comment of the image's history; empty for Docker's own.
    public func importRoot(
        from descriptor: Int32, reference: String?, changes: [String], message: String, platform: Platform? = nil
    ) async throws -> ImageRecord {
        let name = try reference.map { text throws(ImageStoreError) in
            let name = try Catalog.reference(text).tagged
            guard name.digest == nil else {
                throw ImageStoreError(.invalidParameter, "cannot import digest reference")
            }
            return name
        }
        var parameters = ExecutionParameters()
        for change in changes {
            do {
                try ConfigurationChange.apply(change, to: &parameters)
            } catch {
                throw ImageStoreError(.invalidParameter, error.message)
            }
        }
        let finished = parameters
        return try await BlockingWork.run {
            let transfer = self.transfer()
            defer { transfer.end() }
            let layer = try self.stageRoot(descriptor)
            let content = layer.content
            guard content.size > 0 else { throw ImageStoreError(.invalidParameter, "the archive is empty") }
            try transfer.commit(layer, as: content.digest)
            let now = Clock.now()
            let configuration = ImageConfiguration(
                platform: platform ?? self.platform, created: now, parameters: finished, diffIDs: [content.digest],
                history: [HistoryEntry(created: now, comment: message.isEmpty ? "Imported from -" : message)])
            let manifest = try self.addManifest(
                configuration: configuration.document.serialized(),
                layers: [ContentDescriptor(mediaType: .ociLayer, digest: content.digest, size: content.size)], transfer)
            return try self.install([(manifest, name.map { [$0] } ?? [])], transfer: transfer) { _ in }[0]
        }
    }

    /// Decompresses a stream into the staging directory.
    private func stageRoot(_ descriptor: Int32) throws -> StagedFile {
        let file = try StagedFile(path: stagingPath(), limit: ImageTransfer.maximumBlobBytes)
        do {
            let input = try DecompressedInput(descriptor, compressions: ArchiveCompression.allCases)
            while case let bytes = try input.read(), !bytes.isEmpty { try file.append(bytes) }
        } catch let error as ArchiveError {
            throw ImageStoreError(error, "the archive")
        }
        return file
    }

    /// Adds a configuration and a manifest of ours over layers that are there; returns the manifest's digest.
    func addManifest(
        configuration: [UInt8], layers: [ContentDescriptor], _ transfer: ImageTransfer
    ) throws -> Digest {
        let id = try transfer.add(configuration)
        let manifest = ImageManifest(
            configuration: ContentDescriptor(
                mediaType: .ociConfiguration, digest: id, size: Int64(configuration.count)),
            layers: layers)
        return try transfer.add(manifest.serialized())
    }

    /// Makes images of manifests whose blobs are there, all of them or none.
    func install(
        _ images: [(manifest: Digest, references: [ImageReference])], transfer: ImageTransfer,
        progress: (ImageLoadProgress) -> Void
    ) throws -> [ImageRecord] {
        var entries: [CatalogEntry] = []
        for image in images {
            transfer.pin(blobs: [image.manifest])
            // The blobs are pinned before they are looked at, so that none goes between.
            if let manifest = try? ImageManifest(
                parsing: read(blob: image.manifest, limit: ImageManifest.maximumBytes))
            {
                transfer.pin(blobs: [manifest.configuration.digest] + manifest.layers.map(\.digest))
            }
            let draft = try makeEntry(manifest: image.manifest) { _ in 0 }
            for layer in draft.layerBlobs {
                let size = try open(blob: layer.digest).size
                guard size == layer.size else {
                    throw ImageStoreError(
                        .corrupted, "blob \(layer.digest) has \(size) bytes, its manifest says \(layer.size)")
                }
            }
            transfer.pin(layers: draft.chain)
            var sizes: [Digest: Int64] = [:]
            for index in draft.chain.indices {
                sizes[draft.chain[index]] = try ensureLayer(index, of: draft).fileBytes
            }
            entries.append(try makeEntry(manifest: image.manifest) { sizes[$0] ?? 0 })
        }
        let finished = entries
        let (records, messages) = try change { catalog in
            var messages: [ImageLoadProgress] = []
            let now = Clock.now()
            for (entry, image) in zip(finished, images) {
                catalog.insert(entry)
                for reference in image.references {
                    if let previous = catalog.assign(reference, to: entry.id, at: now) {
                        messages.append(.renamed(reference: reference.familiar, previous: previous))
                    }
                    messages.append(.loaded(reference: reference.familiar))
                }
                if image.references.isEmpty { messages.append(.loadedWithoutReference(entry.id)) }
            }
            return (finished.compactMap { catalog.record($0.id) }, messages)
        }
        for message in messages { progress(message) }
        return records
    }
}
