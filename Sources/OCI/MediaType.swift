/// What kind of document a blob is (OCI image-spec: media-types; Docker image manifest version 2, schema 2).
public struct MediaType: Hashable, Sendable, Codable, CustomStringConvertible {
    public let name: String

    public init(_ name: String) { self.name = name }

    public static let ociIndex = MediaType("application/vnd.oci.image.index.v1+json")
    public static let ociManifest = MediaType("application/vnd.oci.image.manifest.v1+json")
    public static let ociConfiguration = MediaType("application/vnd.oci.image.config.v1+json")
    public static let ociLayer = MediaType("application/vnd.oci.image.layer.v1.tar")
    public static let ociLayerGzip = MediaType("application/vnd.oci.image.layer.v1.tar+gzip")
    public static let ociLayerZstd = MediaType("application/vnd.oci.image.layer.v1.tar+zstd")
    public static let dockerManifestList = MediaType("application/vnd.docker.distribution.manifest.list.v2+json")
    public static let dockerManifest = MediaType("application/vnd.docker.distribution.manifest.v2+json")
    public static let dockerLayer = MediaType("application/vnd.docker.image.rootfs.diff.tar")
    public static let dockerLayerGzip = MediaType("application/vnd.docker.image.rootfs.diff.tar.gzip")
    public static let dockerLayerZstd = MediaType("application/vnd.docker.image.rootfs.diff.tar.zstd")

    public var isIndex: Bool { self == .ociIndex || self == .dockerManifestList }
    public var isManifest: Bool { self == .ociManifest || self == .dockerManifest }
    public var isLayer: Bool { layerCompression != nil }

    /// How a layer of this type is compressed; nil for what is no layer.
    public var layerCompression: LayerCompression? {
        switch self {
        case .ociLayer, .dockerLayer: LayerCompression.none
        case .ociLayerGzip, .dockerLayerGzip: .gzip
        case .ociLayerZstd, .dockerLayerZstd: .zstd
        default: nil
        }
    }

    public var description: String { name }

    public init(from decoder: any Decoder) throws {
        name = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(name)
    }
}

/// How a layer's tar archive is compressed.
public enum LayerCompression: Hashable, Sendable {
    case none, gzip, zstd

    /// Tells by the first bytes of a layer; four are enough.
    public init(firstBytes: some Collection<UInt8>) {
        if firstBytes.starts(with: [0x1f, 0x8b]) {
            self = .gzip
        } else if firstBytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) {
            self = .zstd
        } else {
            self = .none
        }
    }

    /// The OCI media type of a layer compressed in this way.
    public var mediaType: MediaType {
        switch self {
        case .none: .ociLayer
        case .gzip: .ociLayerGzip
        case .zstd: .ociLayerZstd
        }
    }
}
