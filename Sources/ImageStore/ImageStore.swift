import Archive
import Glibc
import JSON
import LinuxSystem
import Logging
import OCI
import Synchronization
import Values

/// The images of a host: blobs by digest, layers unpacked once for each stack and shared between images, and names.
///
/// Everything is written beside its place, synchronised and then renamed, so that a crash leaves nothing half-made.
/// Blocking work runs on threads of its own. All methods may be called at any time from anywhere.
public final class ImageStore: Sendable {
    struct State: Sendable {
        var catalog = Catalog()
        /// How many transfers need a blob or an unpacked layer that no image has yet.
        var pinnedBlobs: [Digest: Int] = [:]
        var pinnedLayers: [Digest: Int] = [:]
        /// The layers that containers stand on, by container.
        var held: [String: [Digest]] = [:]
        var lastStaged = 0

        func needs(blob: Digest) -> Bool { pinnedBlobs[blob] != nil || catalog.needs(blob: blob) }

        func needs(layer: Digest) -> Bool {
            pinnedLayers[layer] != nil || catalog.needs(layer: layer) || held.values.contains { $0.contains(layer) }
        }
    }

    let paths: StorePaths
    let logger: Logger
    let platform: Platform
    let state = Mutex(State())
    /// Held while the catalog is changed and written; never on the shared pool.
    let writer = Mutex(())
    let unpacking = KeyGate()
    private let lock: Descriptor
    /// What a daemon that was killed had just forked keeps its lock until it runs another program.
    static let lockPatienceMilliseconds: UInt32 = 3_000
    private static let lockPauseMilliseconds: UInt32 = 20

    /// Opens the store at `directory`, makes it where there is none, and removes what a crash left half-made.
    ///
    /// Throws a conflict where another process has it open for longer than `lockPatienceMilliseconds`. An image whose
    /// blobs are damaged is left out, with a warning.
    public init(directory: String, logger: Logger) throws {
        paths = StorePaths(directory: directory)
        self.logger = logger
        var name = utsname()
        uname(&name)
        platform = Platform(
            machine: withUnsafeBytes(of: &name.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        for path in [paths.blobs, paths.layers, paths.staging, paths.empty] {
            try Files.makeDirectories(path, mode: 0o700)
        }
        lock = try Descriptor.open(paths.lock, O_RDWR | O_CREAT, mode: 0o600)
        var attemptsLeft = Self.lockPatienceMilliseconds / Self.lockPauseMilliseconds
        while flock(lock.rawValue, LOCK_EX | LOCK_NB) != 0 {
            guard attemptsLeft > 0 else {
                throw ImageStoreError(.conflict, "the image store at \(directory) is open in another process")
            }
            attemptsLeft -= 1
            usleep(Self.lockPauseMilliseconds * 1_000)
        }
        try emptyStaging()
        try readCatalog()
        for name in try Files.list(paths.blobs) {
            guard let digest = Digest(hex: name), !state.withLock({ $0.needs(blob: digest) }) else { continue }
            unlink(paths.blob(digest))
        }
    }

    private func emptyStaging() throws {
        do {
            try Files.removeTree(paths.staging)
        } catch {
            // What cannot be removed must not keep the images from being used.
            logger.warning("what a crash left could not be removed", metadata: ["error": "\(error)"])
            state.withLock { $0.lastStaged = Int(Clock.now().secondsSinceEpoch) << 20 }
        }
        try Files.makeDirectories(paths.staging, mode: 0o700)
    }

    private func readCatalog() throws {
        guard Files.exists(paths.catalog) else { return }
        let file = try JSONCoding.decode(CatalogFile.self, from: Files.read(paths.catalog))
        guard file.version <= CatalogFile.currentVersion else {
            throw ImageStoreError(.io, "\(paths.catalog) was written by a newer version")
        }
        var catalog = Catalog()
        for image in file.images {
            do {
                var entry = try makeEntry(manifest: image.manifest) { self.layerInformation($0)?.fileBytes ?? 0 }
                guard entry.id == image.id else { throw ImageStoreError(.corrupted, "the manifest is another image's") }
                entry.parent = image.parent
                entry.lastTagged = image.lastTagged
                catalog.insert(entry)
            } catch {
                logger.warning(
                    "an image is damaged and left out", metadata: ["image": "\(image.id)", "error": "\(error)"])
            }
        }
        for (text, id) in file.references where catalog.entries[id] != nil {
            if let reference = try? ImageReference(parsing: text) {
                _ = catalog.assign(reference, to: id, at: nil)
            }
        }
        state.withLock { $0.catalog = catalog }
    }

    /// Reads an image's manifest and configuration from its blobs.
    func makeEntry(manifest digest: Digest, size: (Digest) throws -> Int64) throws -> CatalogEntry {
        let bytes = try read(blob: digest, limit: ImageManifest.maximumBytes)
        let manifest: ImageManifest
        let configuration: ImageConfiguration
        do {
            manifest = try ImageManifest(parsing: bytes)
            configuration = try ImageConfiguration(
                parsing: read(blob: manifest.configuration.digest, limit: ImageConfiguration.maximumBytes))
        } catch let error as OCIError {
            throw ImageStoreError(.invalidParameter, error.message)
        }
        guard manifest.layers.count == configuration.diffIDs.count else {
            throw ImageStoreError(
                .invalidParameter,
                "invalid manifest, layers length mismatch: expected \(configuration.diffIDs.count), got "
                    + "\(manifest.layers.count)")
        }
        guard configuration.os == platform.os || configuration.os.isEmpty else {
            throw ImageStoreError(.invalidParameter, "cannot load \(configuration.os) image on \(platform.os)")
        }
        let chain = ChainID.chain(of: configuration.diffIDs, sha256: RunningDigest.of)
        return CatalogEntry(
            id: manifest.configuration.digest, manifest: digest, manifestBytes: bytes, configuration: configuration,
            blobs: [digest, manifest.configuration.digest] + manifest.layers.map(\.digest),
            layerBlobs: manifest.layers, chain: chain, layerSizes: try chain.map(size))
    }

    /// A new path for something that is not whole yet.
    func stagingPath() -> String {
        let number = state.withLock { state in
            state.lastStaged += 1
            return state.lastStaged
        }
        return "\(paths.staging)/\(number)"
    }

    /// Changes the catalog and makes the change durable; where `body` or writing fails nothing has changed.
    func change<Result: Sendable>(_ body: (inout Catalog) throws -> Result) throws -> Result {
        try writer.withLock { _ in
            var next = state.withLock { $0.catalog }
            let result = try body(&next)
            try Files.writeDurably(paths.catalog, JSONCoding.encode(CatalogFile(next)), mode: 0o600)
            state.withLock { $0.catalog = next }
            return result
        }
    }

    /// Removes those of the blobs and layers that nothing needs; returns the layers that went.
    func collect(blobs: some Sequence<Digest>, layers: some Sequence<Digest>) -> [Digest] {
        var removed: [Digest] = []
        var trash: [String] = []
        func discard(_ path: String, _ digest: Digest, isNeeded: (State) -> Bool) -> Bool {
            let target = stagingPath()
            // Under the lock, so that nobody finds it there and then loses it.
            let isMoved = state.withLock { state in !isNeeded(state) && rename(path, target) == 0 }
            if isMoved { trash.append(target) }
            return isMoved
        }
        for blob in blobs { _ = discard(paths.blob(blob), blob) { $0.needs(blob: blob) } }
        for layer in layers where discard(paths.layer(layer), layer, isNeeded: { $0.needs(layer: layer) }) {
            removed.append(layer)
        }
        for path in trash {
            do {
                try Files.removeTree(path)
            } catch {
                logger.warning("what is no longer needed could not be removed", metadata: ["error": "\(error)"])
            }
        }
        return removed
    }
}
