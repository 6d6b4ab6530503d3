import JSON
import Values

/// The parts of an image: its configuration and its layers, lowest first (OCI image-spec: manifest).
public struct ImageManifest: Hashable, Sendable {
    /// The longest manifest or index in bytes, as registries bound it.
    public static let maximumBytes = 4 << 20
    /// The most layers that overlayfs stacks.
    public static let maximumLayers = 500

    public var mediaType: MediaType
    public var configuration: ContentDescriptor
    public var layers: [ContentDescriptor]
    public var annotations: [String: String]?

    public init(
        mediaType: MediaType = .ociManifest, configuration: ContentDescriptor, layers: [ContentDescriptor],
        annotations: [String: String]? = nil
    ) {
        self.mediaType = mediaType
        self.configuration = configuration
        self.layers = layers
        self.annotations = annotations
    }

    private struct Wire: Codable {
        var schemaVersion: Int
        var mediaType: MediaType?
        var config: ContentDescriptor
        var layers: [ContentDescriptor]
        var annotations: [String: String]?
    }

    /// Reads an OCI manifest or a Docker manifest of schema 2; layers of unknown kinds are refused.
    public init(parsing bytes: [UInt8]) throws(OCIError) {
        let wire: Wire
        do {
            wire = try JSONCoding.verbatim.decode(
                Wire.self, from: bytes, limits: JSONLimits(bytes: Self.maximumBytes))
        } catch {
            throw OCIError("invalid manifest: \(error)")
        }
        guard wire.schemaVersion == 2 else {
            throw OCIError("invalid manifest: schema version \(wire.schemaVersion) is not supported")
        }
        let mediaType = wire.mediaType ?? .ociManifest
        guard mediaType.isManifest else {
            throw OCIError("invalid manifest: \(mediaType) is not the type of an image manifest")
        }
        guard wire.layers.count <= Self.maximumLayers else {
            throw OCIError("invalid manifest: \(wire.layers.count) layers, at most \(Self.maximumLayers) are possible")
        }
        for layer in wire.layers where !layer.mediaType.isLayer {
            throw OCIError("invalid manifest: \(layer.mediaType) is not the type of a layer")
        }
        for part in wire.layers + [wire.config] where part.size < 0 {
            throw OCIError("invalid manifest: \(part.digest) has a negative size")
        }
        self.init(
            mediaType: mediaType, configuration: wire.config, layers: wire.layers, annotations: wire.annotations)
    }

    /// The canonical text: the same manifest gives the same bytes, and so the same digest, on every host.
    public func serialized() -> [UInt8] {
        let wire = Wire(
            schemaVersion: 2, mediaType: mediaType, config: configuration, layers: layers, annotations: annotations)
        do { return try JSONCoding.encode(wire) } catch { preconditionFailure("a manifest is plain JSON: \(error)") }
    }
}
