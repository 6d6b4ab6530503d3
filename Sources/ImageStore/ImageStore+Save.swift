import Archive
import LinuxSystem
import OCI
import Values

extension ImageStore {
    /// Writes images into one archive that is an OCI layout and a docker-archive at once: Docker from 1.10 on,
    /// containerd, podman and `load` read it. The same images give the same bytes.
    ///
    /// - Parameters:
    ///   - names: references, ids, or repositories, which stand for all their tags.
    ///   - descriptor: stays the caller's.
    public func save(_ names: [String], to descriptor: Int32) async throws {
        try await BlockingWork.run {
            let transfer = self.transfer()
            defer { transfer.end() }
            let catalog = self.state.withLock { $0.catalog }
            var images: [(entry: CatalogEntry, references: [ImageReference])] = []
            for name in names {
                for (id, reference) in try catalog.selection(name) {
                    let known = images.firstIndex { $0.entry.id == id }
                    guard
                        let index = known
                            ?? catalog.entries[id].map({ entry in
                                transfer.pin(blobs: entry.blobs, layers: entry.chain)
                                images.append((entry, []))
                                return images.count - 1
                            })
                    else { continue }
                    if let reference, !images[index].references.contains(reference) {
                        images[index].references.append(reference)
                    }
                }
            }
            do {
                try Saving(store: self, writer: try TarWriter(descriptor)).write(images)
            } catch let error as ArchiveError {
                throw ImageStoreError(error, "the archive")
            }
        }
    }
}

extension Catalog {
    /// The images that a name stands for in `save`, each with the tag that it is saved with.
    func selection(_ name: String) throws(ImageStoreError) -> [(Digest, ImageReference?)] {
        if Digest(parsing: name) == nil, Digest(hex: name) == nil,
            case let reference = try Self.reference(name), reference.isNameOnly
        {
            let tags = references.filter { $0.key.name == reference.name && $0.key.digest == nil }
            if !tags.isEmpty {
                return tags.sorted { $0.key.description < $1.key.description }.map { ($0.value, $0.key) }
            }
        }
        switch try find(name) {
        case .reference(let reference, let id): return [(id, reference.digest == nil ? reference : nil)]
        case .id(let id): return [(id, nil)]
        }
    }
}

private struct Saving {
    let store: ImageStore
    let writer: TarWriter

    func write(_ images: [(entry: CatalogEntry, references: [ImageReference])]) throws {
        for path in ["blobs/", "blobs/sha256/"] { try writer.add(ArchiveEntry(path, .directory, mode: 0o755)) }
        var written: Set<Digest> = []
        var items: [DockerArchiveItem] = []
        var manifests: [ContentDescriptor] = []
        for (entry, references) in images {
            for blob in entry.blobs where written.insert(blob).inserted { try copy(blob) }
            var layers: [String] = []
            for index in entry.layerBlobs.indices {
                let file = try dockerLayer(index, of: entry, &written)
                layers.append(ImageLayout.path(of: file))
            }
            items.append(
                DockerArchiveItem(
                    configuration: ImageLayout.path(of: entry.id), references: references.map(\.familiar),
                    layers: layers))
            manifests += try descriptors(entry, references)
        }
        try writer.file(ImageLayout.index, ImageIndex(manifests: manifests).serialized())
        try writer.file(ImageLayout.dockerManifest, DockerArchiveItem.serialize(items))
        try writer.file(ImageLayout.marker, ImageLayout.markerText)
        try writer.finish()
    }

    private func copy(_ blob: Digest) throws {
        let handle = try store.open(blob: blob)
        try writer.begin(ArchiveEntry(ImageLayout.path(of: blob), size: handle.size))
        try writer.copy(from: handle.descriptor.rawValue, count: handle.size)
    }

    /// The layer as older Dockers can read it: they know no zstd, so such a layer is there uncompressed as well.
    private func dockerLayer(_ index: Int, of entry: CatalogEntry, _ written: inout Set<Digest>) throws -> Digest {
        let layer = entry.layerBlobs[index]
        guard layer.mediaType.layerCompression == .zstd else { return layer.digest }
        let diffID = entry.configuration.diffIDs[index]
        guard written.insert(diffID).inserted else { return diffID }
        let size = try store.ensureLayer(index, of: entry).archiveBytes
        try writer.begin(ArchiveEntry(ImageLayout.path(of: diffID), size: size))
        let input = try store.decompress(layer.digest, ImageStore.DigestBox())
        while case let bytes = try input.read(), !bytes.isEmpty { try writer.write(bytes) }
        return diffID
    }

    /// One descriptor for each tag, as Docker writes them.
    private func descriptors(_ entry: CatalogEntry, _ references: [ImageReference]) throws -> [ContentDescriptor] {
        let mediaType = try ImageManifest(parsing: entry.manifestBytes).mediaType
        let plain = ContentDescriptor(
            mediaType: mediaType, digest: entry.manifest, size: Int64(entry.manifestBytes.count))
        if references.isEmpty { return [plain] }
        return references.map { reference in
            var descriptor = plain
            descriptor.annotations = [
                ContentDescriptor.imageNameAnnotation: reference.description,
                ContentDescriptor.referenceNameAnnotation: reference.tag ?? ImageReference.defaultTag,
            ]
            return descriptor
        }
    }
}
