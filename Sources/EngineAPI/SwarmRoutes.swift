import ClusterManager
import ClusterModel
import EngineModel
import JSON

/// `/swarm` and `/nodes`.
struct SwarmRoutes: Sendable {
    static let knownNodeFilters: Set<String> = [
        "engine.label", "id", "label", "membership", "name", "node.label", "role",
    ]

    let cluster: ControlPlane?

    private func access() throws(EngineError) -> ControlPlane { try ClusterAccess.required(cluster) }

    func register(_ router: inout Router) {
        router.on("POST", "swarm/init") { request in
            .json(.string(try await access().initialise(try await request.decode(SwarmInitRequest.self))))
        }
        router.on("POST", "swarm/join") { request in
            try await access().join(try await request.decode(SwarmJoinRequest.self))
            return .ok
        }
        router.on("POST", "swarm/leave") { request in
            try await access().leave(force: request.flag("force"))
            return .ok
        }
        router.on("GET", "swarm") { _ in
            let cluster = try access()
            guard let object = try await cluster.state().cluster else {
                _ = try ClusterAccess.required(nil)
                return .ok
            }
            return .json(ClusterShapes.swarm(object, try await cluster.joinTokens(of: object)))
        }
        router.on("POST", "swarm/update") { request in
            try await access().updateSwarm(
                version: try Self.version(request), spec: try await request.json(),
                rotateWorkerToken: request.flag("rotateWorkerToken"),
                rotateManagerToken: request.flag("rotateManagerToken"),
                rotateUnlockKey: request.flag("rotateManagerUnlockKey"))
            return .ok
        }
        router.on("GET", "swarm/unlockkey") { _ in
            .json(["UnlockKey": .string(try await access().unlockKey())])
        }
        router.on("POST", "swarm/unlock") { request in
            try await access().unlock(with: try await request.json()["UnlockKey"]?.string ?? "")
            return .ok
        }
        router.on("GET", "nodes", listNodes)
        router.on("GET", "nodes/{id}") { request in
            let cluster = try access()
            let state = try await cluster.state()
            let node = try ClusterLookup.node(request["id"], state, selfID: cluster.membership.nodeID)
            return .json(
                try ClusterShapes.node(
                    node, manager: await cluster.managerStatuses()[node.id],
                    rootCertificate: state.cluster?.rootCertificate ?? ""))
        }
        router.on("DELETE", "nodes/{id}") { request in
            let cluster = try access()
            let node = try ClusterLookup.node(
                request["id"], try await cluster.state(), selfID: cluster.membership.nodeID)
            try await cluster.removeNode(node.id, force: request.flag("force"))
            return .ok
        }
        router.on("POST", "nodes/{id}/update") { request in
            let cluster = try access()
            let version = try Self.version(request)
            let spec = try Self.nodeSpec(await request.json())
            let node = try ClusterLookup.node(
                request["id"], try await cluster.state(), selfID: cluster.membership.nodeID)
            try await cluster.updateNode(node.id, version: version, spec: spec)
            return .ok
        }
    }

    /// The version of the object that the client read.
    static func version(_ request: APIRequest) throws -> UInt64 {
        guard let version: UInt64 = try request.number("version") else {
            throw EngineError(
                .invalidParameter, "invalid version '\(request.target["version"] ?? "")': a number is needed")
        }
        return version
    }

    /// Docker names the refused member in its own way.
    static func nodeSpec(_ value: JSONValue) throws -> NodeSpec {
        if let role = value["Role"]?.string, NodeSpec.Role(rawValue: role) == nil {
            throw EngineError(.invalidParameter, "invalid Role: \"\(role)\"")
        }
        if let availability = value["Availability"]?.string, NodeSpec.Availability(rawValue: availability) == nil {
            throw EngineError(.invalidParameter, "invalid Availability: \"\(availability)\"")
        }
        return try JSONCoding.docker.decode(NodeSpec.self, from: value)
    }

    private func listNodes(_ request: APIRequest) async throws -> APIResponse {
        let filters = try request.filters()
        try filters.check(known: Self.knownNodeFilters)
        let cluster = try access()
        let state = try await cluster.state()
        let managers = await cluster.managerStatuses()
        let nodes = state.nodes.values.filter { node in
            filters.matches("id") { node.id.hasPrefix($0) }
                && filters.matches("name") { node.hostname.hasPrefix($0) }
                && filters.matches("role") { node.spec.role.rawValue == $0 }
                && filters.matches("membership") { $0 == "accepted" }
                && filters.matches(labels: node.description?.engine.labels ?? [:])
                && filters.matches(labels: node.description?.engine.labels ?? [:], key: "engine.label")
                && filters.matches(labels: node.spec.labels, key: "node.label")
        }
        return .json(
            .array(
                try nodes.sorted { $0.hostname < $1.hostname }.map {
                    try ClusterShapes.node(
                        $0, manager: managers[$0.id], rootCertificate: state.cluster?.rootCertificate ?? "")
                }))
    }
}
