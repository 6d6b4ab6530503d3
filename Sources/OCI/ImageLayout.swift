import JSON
import Values

/// Names of the files in an archive of images: OCI image-spec: image-layout, and Docker's own form beside it.
public enum ImageLayout {
    public static let marker = "oci-layout"
    public static let markerText = Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)
    public static let index = "index.json"
    public static let dockerManifest = "manifest.json"

    /// Where a blob lies.
    public static func path(of blob: Digest) -> String { "blobs/sha256/" + blob.hex }
}

/// One image of a docker-archive (`manifest.json`): the paths of its parts in the archive.
public struct DockerArchiveItem: Hashable, Sendable {
    /// The longest `manifest.json` in bytes.
    public static let maximumBytes = 8 << 20
    /// The most images in one archive.
    public static let maximumImages = 4096

    public var configuration: String
    /// Familiar references: `x:latest`.
    public var references: [String]
    public var layers: [String]

    public init(configuration: String, references: [String], layers: [String]) {
        self.configuration = configuration
        self.references = references
        self.layers = layers
    }

    private struct Wire: Codable {
        var config: String
        var repoTags: [String]
        var layers: [String]
    }

    /// Reads `manifest.json`.
    public static func parse(_ bytes: [UInt8]) throws(OCIError) -> [DockerArchiveItem] {
        let items: [Wire]
        do {
            items = try JSONCoding.docker.decode([Wire].self, from: bytes, limits: JSONLimits(bytes: maximumBytes))
        } catch {
            throw OCIError("invalid manifest.json: \(error)")
        }
        guard items.count <= maximumImages else {
            throw OCIError("invalid manifest.json: more than \(maximumImages) images")
        }
        return items.map { DockerArchiveItem(configuration: $0.config, references: $0.repoTags, layers: $0.layers) }
    }

    /// The text of `manifest.json`.
    public static func serialize(_ items: [DockerArchiveItem]) -> [UInt8] {
        JSONValue.array(
            items.map { item in
                [
                    "Config": .string(item.configuration),
                    "RepoTags": item.references.isEmpty ? .null : .array(item.references.map { .string($0) }),
                    "Layers": .array(item.layers.map { .string($0) }),
                ]
            }
        ).serialized()
    }
}
