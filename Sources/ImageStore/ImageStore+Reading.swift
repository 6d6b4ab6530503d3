import Glibc
import LinuxSystem
import OCI
import Values

extension ImageStore {
    /// All images, newest first.
    public func images() -> [ImageRecord] {
        let catalog = state.withLock { $0.catalog }
        return catalog.entries.keys.compactMap { catalog.record($0) }.sorted {
            ($1.created, $0.id) < ($0.created, $1.id)
        }
    }

    /// The image by reference (`x`, `x:tag`, `x@sha256:...`), by id (whole, or a unique prefix) or by manifest digest.
    public func image(_ name: String) throws(ImageStoreError) -> ImageRecord {
        let catalog = state.withLock { $0.catalog }
        guard let record = catalog.record(try catalog.find(name).id) else { throw .noSuchImage(name) }
        return record
    }

    /// The image of an id; nil where it is not there.
    public func image(id: Digest) -> ImageRecord? { state.withLock { $0.catalog.record(id) } }

    /// How an image was made, newest step first.
    public func history(_ name: String) throws(ImageStoreError) -> [ImageHistoryItem] {
        let record = try image(name)
        var sizes = record.layerSizes[...]
        var items = record.configuration.history.map { step in
            ImageHistoryItem(
                id: "<missing>", created: step.created ?? .epoch, createdBy: step.createdBy, references: [],
                size: step.isEmptyLayer ? 0 : sizes.popFirst() ?? 0, comment: step.comment)
        }
        // An image may say less about its history than it has layers.
        while let size = sizes.popFirst() {
            items.append(
                ImageHistoryItem(
                    id: "<missing>", created: record.created, createdBy: "", references: [], size: size, comment: ""))
        }
        items.reverse()
        if !items.isEmpty {
            items[0].id = record.id.description
            items[0].references = record.references
        }
        return items
    }

    /// The manifest of the image that a reference, an id or a manifest digest names; nil where there is none.
    public func manifest(for name: String) -> (digest: Digest, bytes: [UInt8])? {
        let catalog = state.withLock { $0.catalog }
        guard let id = try? catalog.find(name).id, let entry = catalog.entries[id] else { return nil }
        return (entry.manifest, entry.manifestBytes)
    }

    /// Whether the store has a blob at this moment.
    public func contains(blob: Digest) -> Bool { Files.exists(paths.blob(blob)) }

    /// Opens a blob, which can then be read whole even if it is removed meanwhile.
    public func open(blob: Digest) throws(ImageStoreError) -> BlobHandle {
        do {
            let descriptor = try Descriptor.open(paths.blob(blob), O_RDONLY)
            var information = stat()
            try syscall("fstat", on: paths.blob(blob)) { fstat(descriptor.rawValue, &information) }
            return BlobHandle(descriptor: descriptor, size: Int64(information.st_size))
        } catch {
            guard error.errno != ENOENT else { throw ImageStoreError(.notFound, "blob \(blob) is not here") }
            throw ImageStoreError(.io, error.description)
        }
    }

    /// A small blob whole; its digest is checked again.
    func read(blob: Digest, limit: Int) throws(ImageStoreError) -> [UInt8] {
        let handle = try open(blob: blob)
        guard handle.size <= limit else {
            throw ImageStoreError(.invalidParameter, "blob \(blob) is longer than \(limit) bytes")
        }
        let bytes: [UInt8]
        do {
            bytes = try Bytes.readToEnd(handle.descriptor.rawValue, limit: limit)
        } catch {
            throw ImageStoreError(.io, error.description)
        }
        guard RunningDigest.of(bytes) == blob else { throw ImageStoreError(.corrupted, "blob \(blob) is damaged") }
        return bytes
    }
}
