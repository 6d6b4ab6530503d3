import Glibc
import LinuxSystem
import OCI
import Synchronization
import Values

/// An image on its way into the store.
///
/// What it brought or found there stays at least until it ends, whatever is removed meanwhile; what no image needs then
/// goes. It ends with `adopt` or with its last reference.
public final class ImageTransfer: Sendable {
    /// The largest blob, in bytes.
    public static let maximumBlobBytes: Int64 = 128 << 30

    private struct Pins {
        var blobs: Set<Digest> = []
        var layers: Set<Digest> = []
    }

    let store: ImageStore
    private let pins = Mutex(Pins())

    init(store: ImageStore) { self.store = store }

    deinit {
        let pins = pins.withLock { $0 }
        guard !pins.blobs.isEmpty || !pins.layers.isEmpty else { return }
        let store = store
        Task.detached { try? await BlockingWork.run { Self.release(pins, store) } }
    }

    /// Whether the store has the blob, which then stays until the transfer ends.
    public func contains(_ blob: Digest) -> Bool {
        pin(blobs: [blob])
        return store.contains(blob: blob)
    }

    /// Begins to take in a blob of `size` bytes.
    public func begin(_ blob: Digest, size: Int64) throws(ImageStoreError) -> IncomingBlob {
        guard (0...Self.maximumBlobBytes).contains(size) else {
            throw ImageStoreError(.invalidParameter, "blob \(blob) is larger than \(Self.maximumBlobBytes) bytes")
        }
        do {
            let file = try StagedFile(path: store.stagingPath(), limit: size)
            return IncomingBlob(digest: blob, size: size, file: file, transfer: self)
        } catch {
            throw ImageStoreError(.io, error.description)
        }
    }

    /// Makes the image of a manifest whose blobs are all in the store: its layers are unpacked and checked.
    ///
    /// - Parameter references: names that it gets, each with a tag or with this manifest's digest.
    public func adopt(manifest: Digest, references: [String]) async throws -> ImageRecord {
        var names: [ImageReference] = []
        for text in references {
            let reference = try Catalog.reference(text).tagged
            guard reference.digest == nil || reference.digest == manifest else {
                throw ImageStoreError(.invalidParameter, "\(text) does not name the manifest \(manifest)")
            }
            names.append(reference.digest.map { reference.with(digest: $0) } ?? reference)
        }
        let wanted = names
        return try await BlockingWork.run {
            defer { self.end() }
            return try self.store.install([(manifest, wanted)], transfer: self) { _ in }[0]
        }
    }

    func pin(blobs: some Sequence<Digest> = [], layers: some Sequence<Digest> = []) {
        let (newBlobs, newLayers) = pins.withLock { pins in
            let new = (
                blobs.filter { pins.blobs.insert($0).inserted }, layers.filter { pins.layers.insert($0).inserted }
            )
            return new
        }
        store.state.withLock { state in
            for blob in newBlobs { state.pinnedBlobs[blob, default: 0] += 1 }
            for layer in newLayers { state.pinnedLayers[layer, default: 0] += 1 }
        }
    }

    /// Moves a staged file to its place as a blob; the caller has checked its digest.
    func commit(_ file: StagedFile, as digest: Digest) throws {
        pin(blobs: [digest])
        guard !store.contains(blob: digest) else { return }
        try file.synchronize()
        let path = store.paths.blob(digest)
        try syscall("rename", on: path) { rename(file.path, path) }
        try Files.synchronizeDirectory(store.paths.blobs)
    }

    /// A blob whose bytes are at hand.
    func add(_ bytes: [UInt8]) throws -> Digest {
        let digest = RunningDigest.of(bytes)
        let file = try StagedFile(path: store.stagingPath(), limit: Int64(bytes.count))
        try bytes.withUnsafeBytes { try file.append($0) }
        try commit(file, as: digest)
        return digest
    }

    /// Lets go of everything. Blocks.
    func end() {
        let all = pins.withLock { pins in
            let all = pins
            pins = Pins()
            return all
        }
        Self.release(all, store)
    }

    private static func release(_ pins: Pins, _ store: ImageStore) {
        let (blobs, layers) = store.state.withLock { state in
            for blob in pins.blobs {
                let count = state.pinnedBlobs[blob, default: 1] - 1
                state.pinnedBlobs[blob] = count > 0 ? count : nil
            }
            for layer in pins.layers {
                let count = state.pinnedLayers[layer, default: 1] - 1
                state.pinnedLayers[layer] = count > 0 ? count : nil
            }
            return (
                pins.blobs.filter { !state.needs(blob: $0) }, pins.layers.filter { !state.needs(layer: $0) }
            )
        }
        _ = store.collect(blobs: blobs, layers: layers)
    }
}

/// A blob that is being taken in; nothing of it stays without `commit`.
public final class IncomingBlob: Sendable {
    public let digest: Digest
    /// In bytes, as announced.
    public let size: Int64
    private let file: StagedFile
    private let transfer: ImageTransfer

    init(digest: Digest, size: Int64, file: StagedFile, transfer: ImageTransfer) {
        self.digest = digest
        self.size = size
        self.file = file
        self.transfer = transfer
    }

    /// Adds bytes; more than the announced size is an error. One call after the other.
    public func append(_ bytes: [UInt8]) async throws {
        try await BlockingWork.run { try bytes.withUnsafeBytes { try self.file.append($0) } }
    }

    /// Checks size and digest and makes the blob part of the store.
    public func commit() async throws {
        try await BlockingWork.run {
            let content = self.file.content
            guard content.size == self.size else {
                throw ImageStoreError(
                    .corrupted, "blob \(self.digest) has \(content.size) bytes instead of \(self.size)")
            }
            guard content.digest == self.digest else {
                throw ImageStoreError(.corrupted, "blob \(self.digest) has the digest \(content.digest)")
            }
            try self.transfer.commit(self.file, as: self.digest)
        }
    }
}
