import EngineClient
import JSON

/// What the client looks up before it makes or changes a service.
enum ServiceResolution {
    /// Names of networks become identifiers, so that a later network of the same name changes nothing.
    static func resolveNetworks(_ spec: inout JSONValue, _ engine: EngineClient) async throws {
        guard let networks = spec.at("TaskTemplate", "Networks")?.array, !networks.isEmpty else { return }
        var resolved: [JSONValue] = []
        for var network in networks {
            network["Target"] = .string(try await networkID(network.text("Target"), engine))
            resolved.append(network)
        }
        spec.set(
            "TaskTemplate", "Networks", to: .array(resolved.sorted { $0.text("Target") < $1.text("Target") }))
    }

    static func networkID(_ name: String, _ engine: EngineClient) async throws -> String {
        // Networks of this host alone, `host` say, are named to the cluster as they are.
        let network = try await engine.json(
            "GET", "/networks/\(EngineClient.escape(name))", query: [("scope", "swarm")])
        return network.text("Scope") == "swarm" ? network.text("Id") : name
    }

    /// Pins the image by its digest; where nobody knows it, warns and leaves it to each node.
    static func resolveImage(_ spec: inout JSONValue, _ engine: EngineClient) async throws {
        guard let image = spec.at("TaskTemplate", "ContainerSpec", "Image")?.string, !image.contains("@") else {
            return
        }
        let tagged = ImageName.tagged(image)
        do {
            let answer = try await engine.json("GET", "/distribution/\(EngineClient.escape(tagged))/json")
            guard let digest = answer.at("Descriptor", "digest")?.string else { return }
            spec.set("TaskTemplate", "ContainerSpec", "Image", to: .string("\(tagged)@\(digest)"))
            let platforms: [JSONValue] = answer.list("Platforms").map {
                ["Architecture": .string($0.text("architecture")), "OS": .string($0.text("os"))]
            }
            if !platforms.isEmpty { spec.set("TaskTemplate", "Placement", "Platforms", to: .array(platforms)) }
        } catch let error as EngineClientError where error.status > 0 {
            spec.set("TaskTemplate", "ContainerSpec", "Image", to: .string(tagged))
            Output.error(
                """
                image \(tagged) could not be accessed on this host or a registry to record its digest.
                Each node will access \(tagged) independently, possibly leading to different nodes running different
                versions of the image.
                """)
        }
    }
}

/// Names of images as people write them.
enum ImageName {
    /// With `latest` where there is neither tag nor digest.
    static func tagged(_ name: String) -> String {
        name.contains("@") || split(name).tag != nil ? name : name + ":latest"
    }

    /// Name and tag; a port of a registry is part of the name.
    static func split(_ reference: String) -> (name: String, tag: String?) {
        guard let colon = reference.lastIndex(of: ":"), !reference[colon...].contains("/") else {
            return (reference, nil)
        }
        return (String(reference[..<colon]), String(reference[reference.index(after: colon)...]))
    }

    /// Without its digest where it has a tag, as lists show it.
    static func shown(_ reference: String) -> String {
        guard let at = reference.firstIndex(of: "@") else { return reference }
        let name = String(reference[..<at])
        return split(name).tag == nil ? reference : name
    }
}
