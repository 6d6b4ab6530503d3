import LinuxSystem
import OCI
import Values

/// An image of the store.
public struct ImageRecord: Hashable, Sendable {
    /// The digest of the configuration, Docker's image id.
    public let id: Digest
    /// The digest of the manifest, the same on every host that has this image.
    public let manifest: Digest
    public let configuration: ImageConfiguration
    /// The bytes of the uncompressed layers' files, as Docker counts an image's size.
    public let size: Int64
    /// Chain identifiers, lowest layer first.
    public let layers: [Digest]
    /// The size of each of `layers`.
    public let layerSizes: [Int64]
    /// Where the image was committed from; nil for images that came from elsewhere.
    public let parent: Digest?
    /// When a reference was last given to it.
    public internal(set) var lastTagged: Timestamp?
    /// Familiar references with a tag, sorted: `x:latest`.
    public internal(set) var references: [String]
    /// Familiar references with a digest, sorted: `x@sha256:...`.
    public internal(set) var repoDigests: [String]

    /// When the image was made; the epoch where it does not say.
    public var created: Timestamp { configuration.created ?? .epoch }

    /// Whether nothing names the image.
    public var isDangling: Bool { references.isEmpty && repoDigests.isEmpty }
}

/// One step of an image's history (Engine API: HistoryResponseItem).
public struct ImageHistoryItem: Hashable, Sendable {
    /// The image's id for the newest step, `<missing>` for those below it.
    public var id: String
    public var created: Timestamp
    public var createdBy: String
    public var references: [String]
    public var size: Int64
    public var comment: String
}

/// What a removal did (Engine API: ImageDeleteResponseItem): one of the two is set.
public struct ImageRemoval: Hashable, Sendable {
    /// A familiar reference that no longer names the image.
    public var untagged: String?
    /// An image's id or a layer's chain identifier.
    public var deleted: String?

    public init(untagged: String? = nil, deleted: String? = nil) {
        self.untagged = untagged
        self.deleted = deleted
    }

    static func untagged(_ reference: String) -> ImageRemoval { ImageRemoval(untagged: reference, deleted: nil) }
    static func deleted(_ digest: Digest) -> ImageRemoval { ImageRemoval(untagged: nil, deleted: "\(digest)") }
}

/// A container that stands on an image.
public struct ImageUser: Hashable, Sendable {
    public var container: String
    public var image: Digest
    public var isRunning: Bool

    public init(container: String, image: Digest, isRunning: Bool) {
        self.container = container
        self.image = image
        self.isRunning = isRunning
    }
}

/// What `load` tells while it works.
public enum ImageLoadProgress: Hashable, Sendable {
    /// The reference named another image before, which has lost it.
    case renamed(reference: String, previous: Digest)
    case loaded(reference: String)
    case loadedWithoutReference(Digest)

    /// Docker's line, without the line's end.
    public var message: String {
        switch self {
        case .renamed(let reference, let previous):
            "The image \(reference) already exists, renaming the old one with ID \(previous) to empty string"
        case .loaded(let reference): "Loaded image: \(reference)"
        case .loadedWithoutReference(let id): "Loaded image ID: \(id)"
        }
    }
}

/// An open blob and its size in bytes; reading starts at its beginning.
public struct BlobHandle: ~Copyable, Sendable {
    public let descriptor: Descriptor
    public let size: Int64
}
