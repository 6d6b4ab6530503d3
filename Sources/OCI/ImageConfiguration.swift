import EngineModel
import JSON
import Values

/// What an image is made of and how it is run (OCI image-spec: config, with Docker's additions).
///
/// The whole document is kept, so that fields which are unknown here survive.
public struct ImageConfiguration: Hashable, Sendable {
    /// The longest configuration in bytes.
    public static let maximumBytes = 16 << 20

    /// The document as it was read or made.
    public let document: JSONValue
    public let created: Timestamp?
    public let author: String
    public let architecture: String
    public let variant: String?
    public let os: String
    public let parameters: ExecutionParameters
    /// The digests of the uncompressed layers, lowest first.
    public let diffIDs: [Digest]
    /// How the image was made, oldest first.
    public let history: [HistoryEntry]

    public init(parsing bytes: [UInt8]) throws(OCIError) {
        let document: JSONValue
        do {
            document = try JSONValue(parsing: bytes, limits: JSONLimits(bytes: Self.maximumBytes))
        } catch {
            throw OCIError("invalid image configuration: \(error)")
        }
        try self.init(document: document)
    }

    public init(document: JSONValue) throws(OCIError) {
        guard document.object != nil else { throw OCIError("invalid image configuration: not an object") }
        self.document = document
        created = document["created"]?.string.flatMap { Timestamp(rfc3339: $0) }
        author = document["author"]?.string ?? ""
        architecture = document["architecture"]?.string ?? ""
        variant = document["variant"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        os = document["os"]?.string ?? ""
        guard let root = document["rootfs"], root.object != nil else {
            throw OCIError("invalid image configuration: rootfs is missing")
        }
        guard root["type"]?.string ?? "layers" == "layers" else {
            throw OCIError("invalid image configuration: rootfs is not made of layers")
        }
        do {
            parameters = try JSONCoding.docker.decode(ExecutionParameters.self, from: document["config"] ?? .null)
            diffIDs = try JSONCoding.docker.decode([Digest].self, from: root["diff_ids"] ?? .null)
            let entries = try JSONCoding.docker.decode([JSONValue].self, from: document["history"] ?? .null)
            history = entries.map { HistoryEntry($0) }
        } catch {
            throw OCIError("invalid image configuration: \(error)")
        }
        guard diffIDs.count <= ImageManifest.maximumLayers else {
            throw OCIError("invalid image configuration: more than \(ImageManifest.maximumLayers) layers")
        }
    }

    /// A new configuration.
    public init(
        platform: Platform, created: Timestamp, parameters: ExecutionParameters, diffIDs: [Digest],
        history: [HistoryEntry]
    ) {
        var document: JSONValue = [
            "architecture": .string(platform.architecture), "os": .string(platform.os),
            "created": .string(created.description), "config": parameters.value,
            "rootfs": ["type": "layers", "diff_ids": .array(diffIDs.map { .string($0.description) })],
            "history": .array(history.map(\.value)),
        ]
        if let variant = platform.variant { document["variant"] = .string(variant) }
        self.document = document
        self.created = created
        author = ""
        architecture = platform.architecture
        variant = platform.variant
        os = platform.os
        self.parameters = parameters
        self.diffIDs = diffIDs
        self.history = history
    }
}

/// One step in the making of an image (OCI image-spec: config, history).
public struct HistoryEntry: Hashable, Sendable {
    public var created: Timestamp?
    public var createdBy: String
    public var comment: String
    public var author: String
    /// Whether the step made no layer.
    public var isEmptyLayer: Bool

    public init(
        created: Timestamp?, createdBy: String = "", comment: String = "", author: String = "",
        isEmptyLayer: Bool = false
    ) {
        self.created = created
        self.createdBy = createdBy
        self.comment = comment
        self.author = author
        self.isEmptyLayer = isEmptyLayer
    }

    init(_ value: JSONValue) {
        self.init(
            created: value["created"]?.string.flatMap { Timestamp(rfc3339: $0) },
            createdBy: value["created_by"]?.string ?? "", comment: value["comment"]?.string ?? "",
            author: value["author"]?.string ?? "", isEmptyLayer: value["empty_layer"]?.bool ?? false)
    }

    var value: JSONValue {
        var value: JSONValue = [:]
        if let created { value["created"] = .string(created.description) }
        if !createdBy.isEmpty { value["created_by"] = .string(createdBy) }
        if !comment.isEmpty { value["comment"] = .string(comment) }
        if !author.isEmpty { value["author"] = .string(author) }
        if isEmptyLayer { value["empty_layer"] = true }
        return value
    }
}
