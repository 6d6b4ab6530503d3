import Archive
import CLinux
import Glibc
import JSON
import LinuxSystem
import OCI
import Synchronization
import Values

extension ImageStore {
    /// The lower directories of an image for overlayfs, topmost first, at least one; missing ones are unpacked.
    ///
    /// - Parameter container: the layers stay for it, though the image be removed by force, until `release`.
    public func lowerDirectories(of id: Digest, heldBy container: String? = nil) async throws -> [String] {
        let entry = try state.withLock { state in
            guard let entry = state.catalog.entries[id] else { throw ImageStoreError.noSuchImage(id.description) }
            if let container { state.held[container] = entry.chain }
            return entry
        }
        if !entry.chain.allSatisfy({ Files.exists(paths.content($0)) }) {
            let transfer = transfer()
            try await BlockingWork.run {
                transfer.pin(layers: entry.chain)
                for index in entry.chain.indices { _ = try self.ensureLayer(index, of: entry) }
                transfer.end()
            }
        }
        if entry.chain.isEmpty { return [paths.empty] }
        return entry.chain.reversed().map { paths.content($0) }
    }

    /// Keeps lower directories for a container that was there before this start of the store.
    public func hold(_ lowerDirectories: [String], for container: String) {
        let layers = lowerDirectories.compactMap { paths.chain(ofLowerDirectory: $0) }
        state.withLock { $0.held[container] = layers }
    }

    /// Lets a container's layers go; those that nothing needs any more are removed.
    public func release(container: String) async {
        let layers = state.withLock { state in
            let layers = state.held.removeValue(forKey: container) ?? []
            return layers.filter { !state.needs(layer: $0) }
        }
        guard !layers.isEmpty else { return }
        _ = try? await BlockingWork.run { self.collect(blobs: [], layers: layers) }
    }

    /// Removes unpacked layers that neither an image nor a container needs: once after a start, when `hold` has been
    /// called for every container.
    public func removeUnusedLayers() async throws {
        _ = try await BlockingWork.run {
            self.collect(blobs: [], layers: try Files.list(self.paths.layers).compactMap { Digest(hex: $0) })
        }
    }

    func layerInformation(_ chain: Digest) -> LayerInformation? {
        guard let bytes = try? Files.read(paths.layerInformation(chain)) else { return nil }
        return try? JSONCoding.decode(LayerInformation.self, from: bytes)
    }

    /// Unpacks a layer of an image unless that has been done, and checks in any case that its blob holds what the
    /// configuration says. The caller has pinned the layer.
    func ensureLayer(_ index: Int, of entry: CatalogEntry) throws -> LayerInformation {
        let chain = entry.chain[index]
        let blob = entry.layerBlobs[index].digest
        let diffID = entry.configuration.diffIDs[index]
        return try unpacking.withKey(chain) {
            if let known = layerInformation(chain) {
                if known.blob != blob {
                    let content = DigestBox()
                    try naming(blob) { try decompress(blob, content).drain() }
                    try check(content.value.finish(), diffID, index)
                }
                return known
            }
            try Files.removeTree(paths.layer(chain))
            let information = try unpack(blob, chain: chain, diffID: diffID, index)
            logger.debug("unpacked a layer", metadata: ["layer": "\(chain)", "bytes": "\(information.fileBytes)"])
            return information
        }
    }

    private func unpack(_ blob: Digest, chain: Digest, diffID: Digest, _ index: Int) throws -> LayerInformation {
        let staging = stagingPath()
        do {
            try Files.makeDirectories(staging + "/diff", mode: 0o755)
            try syscall("chmod", on: staging) { chmod(staging + "/diff", 0o755) }
            let directory = try Descriptor.open(staging + "/diff", O_RDONLY | O_DIRECTORY)
            let content = DigestBox()
            let summary = try naming(blob) {
                try LayerExtraction.extract(decompress(blob, content), beneath: directory.rawValue)
            }
            try check(content.value.finish(), diffID, index)
            let information = LayerInformation(
                diffID: diffID, blob: blob, fileBytes: summary.fileBytes, archiveBytes: content.value.byteCount)
            try Files.write(staging + "/layer.json", JSONCoding.encode(information), mode: 0o600)
            // A layer is thousands of files: one call for all of them, before its name says that it is whole.
            try checked("syncfs", on: staging, cl_syncfs(directory.rawValue))
            try syscall("rename", on: paths.layer(chain)) { rename(staging, paths.layer(chain)) }
            try Files.synchronizeDirectory(paths.layers)
            return information
        } catch {
            try? Files.removeTree(staging)
            throw error
        }
    }

    /// A digest that a stream fills while it is read.
    final class DigestBox {
        var value = RunningDigest()
    }

    /// A layer's uncompressed bytes.
    func decompress(_ blob: Digest, _ content: DigestBox) throws -> DecompressedInput {
        let handle = try open(blob: blob)
        return try DecompressedInput(owning: handle.descriptor) { content.value.update($0) }
    }

    private func check(_ found: Digest, _ expected: Digest, _ index: Int) throws(ImageStoreError) {
        guard found == expected else {
            throw ImageStoreError(
                .corrupted, "invalid diffID for layer \(index): expected \"\(expected)\", got \"\(found)\"")
        }
    }

    private func naming<Result>(_ blob: Digest, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as ArchiveError {
            throw ImageStoreError(error, "layer \(blob)")
        }
    }
}

extension ImageStoreError {
    init(_ error: ArchiveError, _ object: String) {
        self.init(error.kind == .system ? .io : .corrupted, "\(object): \(error)")
    }
}
