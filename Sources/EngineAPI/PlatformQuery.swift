import Engine
import EngineModel
import ImageStore
import JSON
import OCI

/// The parameter `platform`: `linux/arm64`, or an OCI platform as JSON (Engine API since 1.48).
///
/// An image has one platform here. Asking for it is granted, asking for another is refused as Docker does.
struct PlatformQuery: Sendable {
    let engine: Engine

    /// The platform that is asked for; nil where it is left open.
    func platform(_ request: APIRequest) async throws -> Platform? {
        guard let text = request.text("platform") else { return nil }
        if text.hasPrefix("{") {
            let value = try JSONValue(parsing: text)
            guard let architecture = value["architecture"]?.string, let os = value["os"]?.string else {
                throw EngineError(.invalidParameter, "invalid platform: os and architecture are needed")
            }
            return Platform(architecture: architecture, os: os, variant: value["variant"]?.string)
        }
        do { return try Platform(parsing: text, host: try await host()) } catch let error as OCIError {
            throw EngineError(.invalidParameter, error.message)
        }
    }

    /// Refuses another platform than the image's.
    func check(_ request: APIRequest, image reference: String) async throws {
        guard let wanted = try await platform(request) else { return }
        let configuration = try engine.images.image(reference).configuration
        let actual = Platform(
            architecture: configuration.architecture, os: configuration.os, variant: configuration.variant)
        guard wanted.runs(actual) else {
            throw EngineError(
                .notFound,
                "image with reference \(reference) was found but its platform (\(actual)) does not match the specified "
                    + "platform (\(wanted))")
        }
    }

    /// Refuses another platform than this host's, of an archive that may hold several.
    func checkHost(_ request: APIRequest) async throws {
        guard let wanted = try await platform(request) else { return }
        let host = try await host()
        guard host.runs(wanted) else {
            throw EngineError(
                .notImplemented,
                "loading images for the platform \(wanted) is not supported: this host takes those for \(host)")
        }
    }

    private func host() async throws -> Platform { Platform(machine: try await engine.information().architecture) }
}
