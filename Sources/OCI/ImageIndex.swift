import JSON
import Values

/// Manifests of one image for several platforms, or the images of a layout (OCI image-spec: image index).
public struct ImageIndex: Hashable, Sendable {
    /// The most manifests in one index.
    public static let maximumManifests = 4096

    public var mediaType: MediaType
    public var manifests: [ContentDescriptor]

    public init(mediaType: MediaType = .ociIndex, manifests: [ContentDescriptor]) {
        self.mediaType = mediaType
        self.manifests = manifests
    }

    private struct Wire: Codable {
        var schemaVersion: Int
        var mediaType: MediaType?
        var manifests: [ContentDescriptor]
    }

    /// Reads an OCI index or a Docker manifest list.
    public init(parsing bytes: [UInt8]) throws(OCIError) {
        let wire: Wire
        do {
            wire = try JSONCoding.verbatim.decode(
                Wire.self, from: bytes, limits: JSONLimits(bytes: ImageManifest.maximumBytes))
        } catch {
            throw OCIError("invalid index: \(error)")
        }
        guard wire.schemaVersion == 2, (wire.mediaType ?? .ociIndex).isIndex else {
            throw OCIError("invalid index: this schema version or media type is not supported")
        }
        guard wire.manifests.count <= Self.maximumManifests else {
            throw OCIError("invalid index: more than \(Self.maximumManifests) manifests")
        }
        self.init(mediaType: wire.mediaType ?? .ociIndex, manifests: wire.manifests)
    }

    public func serialized() -> [UInt8] {
        let wire = Wire(schemaVersion: 2, mediaType: mediaType, manifests: manifests)
        do { return try JSONCoding.encode(wire) } catch { preconditionFailure("an index is plain JSON: \(error)") }
    }

    /// The manifest to use on `platform`: the first that runs there, attestations aside; one without a platform runs
    /// everywhere.
    public func manifest(for platform: Platform) -> ContentDescriptor? {
        let images = manifests.filter { !$0.isAttestation }
        return images.first { $0.platform.map(platform.runs) ?? false } ?? images.first { $0.platform == nil }
    }
}
