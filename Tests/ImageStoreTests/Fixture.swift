import Archive
import Glibc
import ImageStore
import JSON
import LinuxSystem
import Logging
import OCI
import Synchronization
import TestSupport
import Testing
import Values

/// A store in a directory of its own.
final class Fixture: Sendable {
    let directory: TemporaryDirectory
    let store: ImageStore

    init() throws {
        directory = try TemporaryDirectory("images")
        store = try Self.open(directory.path("store"))
    }

    static func open(_ path: String) throws -> ImageStore {
        var logger = Logger(label: "test")
        logger.logLevel = .error
        return try ImageStore(directory: path, logger: logger)
    }

    /// Loads an archive of bytes; returns Docker's lines.
    @discardableResult
    func load(_ bytes: [UInt8]) async throws -> [String] {
        let path = directory.path("archive")
        try Files.write(path, bytes)
        return try await load(path: path)
    }

    @discardableResult
    func load(path: String) async throws -> [String] {
        let file = try Descriptor.open(path, O_RDONLY)
        let lines = Lines()
        _ = try await store.load(from: file.rawValue) { lines.add($0.message) }
        return lines.all
    }

    func save(_ names: [String]) async throws -> [UInt8] {
        let path = directory.path("saved")
        let file = try Descriptor.open(path, O_RDWR | O_CREAT | O_TRUNC)
        try await store.save(names, to: file.rawValue)
        return try Files.read(path)
    }

    /// All that is in the store, without what is always there.
    var content: [String] {
        get throws {
            let root = directory.path("store")
            return try Files.list(root + "/blobs/sha256") + Files.list(root + "/layers") + Files.list(root + "/staging")
        }
    }

    /// What a container of the image would see at a path: the topmost layer's text.
    func text(_ image: String, _ path: String) async throws -> String? {
        for layer in try await store.lowerDirectories(of: store.image(image).id) {
            if let text = try? Files.text(layer + "/" + path) { return text }
        }
        return nil
    }
}

final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

/// Makes archives in memory.
enum Make {
    static func tar(
        _ entries: [(ArchiveEntry, [UInt8])], compression: ArchiveCompression? = nil
    ) throws -> [UInt8] {
        let directory = try TemporaryDirectory("make")
        let file = try Descriptor.open(directory.path("tar"), O_RDWR | O_CREAT)
        let writer = try TarWriter(file.rawValue, compression: compression)
        for (entry, bytes) in entries { try writer.add(entry, bytes) }
        try writer.finish()
        return try Files.read(directory.path("tar"))
    }

    static func tar(_ files: [String: String], compression: ArchiveCompression? = nil) throws -> [UInt8] {
        try tar(
            files.sorted { $0.key < $1.key }.map { (ArchiveEntry($0.key), Array($0.value.utf8)) },
            compression: compression)
    }

    static func digest(_ bytes: [UInt8]) throws -> Digest {
        let output = try Command.runBlocking(["sha256sum"], input: bytes).output
        return try #require(Digest(hex: output.prefix(64)))
    }

    /// A layer as it is stored, and its diff id.
    struct Layer {
        var bytes: [UInt8]
        var diffID: Digest
        var compression: ArchiveCompression?

        init(_ files: [String: String], _ compression: ArchiveCompression? = nil) throws {
            diffID = try Make.digest(Make.tar(files))
            bytes = try Make.tar(files, compression: compression)
            self.compression = compression
        }

        init(_ entries: [(ArchiveEntry, [UInt8])]) throws {
            bytes = try Make.tar(entries)
            diffID = try Make.digest(bytes)
        }

        var mediaType: MediaType {
            switch compression {
            case .gzip: .ociLayerGzip
            case .zstd: .ociLayerZstd
            default: .ociLayer
            }
        }
    }

    static func configuration(_ layers: [Layer], command: String = "serve") -> [UInt8] {
        let history: [JSONValue] = layers.map { _ in ["created_by": "ADD", "created": "2024-01-01T00:00:00Z"] }
        let document: JSONValue = [
            "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": ["Cmd": [.string(command)]],
            "rootfs": ["type": "layers", "diff_ids": .array(layers.map { .string($0.diffID.description) })],
            "history": .array(history + [["created_by": .string("CMD " + command), "empty_layer": true]]),
        ]
        return document.serialized()
    }

    struct Image {
        var layers: [Layer]
        var tags: [String]
        var command = "serve"
    }

    static func dockerArchive(
        _ images: [Image], compression: ArchiveCompression? = nil,
        change: (inout [(ArchiveEntry, [UInt8])]) -> Void = { _ in }
    ) throws -> [UInt8] {
        var files: [(ArchiveEntry, [UInt8])] = []
        var items: [DockerArchiveItem] = []
        for (number, image) in images.enumerated() {
            let paths = image.layers.indices.map { "\(number)-\($0)/layer.tar" }
            for (path, layer) in zip(paths, image.layers) { files.append((ArchiveEntry(path), layer.bytes)) }
            files.append((ArchiveEntry("\(number).json"), configuration(image.layers, command: image.command)))
            items.append(
                DockerArchiveItem(configuration: "\(number).json", references: image.tags, layers: paths))
        }
        files.append((ArchiveEntry("manifest.json"), DockerArchiveItem.serialize(items)))
        change(&files)
        return try tar(files, compression: compression)
    }

    /// An OCI layout without Docker's `manifest.json`.
    static func layout(
        _ image: Image, nested: Bool = false, change: (inout [(ArchiveEntry, [UInt8])]) -> Void = { _ in }
    ) throws -> [UInt8] {
        var files: [(ArchiveEntry, [UInt8])] = []
        func blob(_ bytes: [UInt8], _ mediaType: MediaType) throws -> ContentDescriptor {
            let digest = try Make.digest(bytes)
            files.append((ArchiveEntry(ImageLayout.path(of: digest)), bytes))
            return ContentDescriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.count))
        }
        let layers = try image.layers.map { try blob($0.bytes, $0.mediaType) }
        let configuration = try blob(Make.configuration(image.layers, command: image.command), .ociConfiguration)
        let manifest = ImageManifest(configuration: configuration, layers: layers).serialized()
        var top = try blob(manifest, .ociManifest)
        if nested {
            top.platform = Platform(machine: "x86_64")
            var other = top
            other.platform = Platform(architecture: "s390x")
            other.digest = Digest(hex: String(repeating: "0", count: 64))!
            top = try blob(ImageIndex(manifests: [other, top]).serialized(), .ociIndex)
        }
        let entries = image.tags.map { tag in
            var entry = top
            entry.annotations = [ContentDescriptor.referenceNameAnnotation: tag]
            return entry
        }
        files.append(
            (ArchiveEntry("index.json"), ImageIndex(manifests: entries.isEmpty ? [top] : entries).serialized()))
        files.append((ArchiveEntry("oci-layout"), ImageLayout.markerText))
        change(&files)
        return try tar(files)
    }
}
