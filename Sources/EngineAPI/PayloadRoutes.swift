import ClusterManager
import ClusterModel
import EngineModel
import JSON

/// `/configs` and `/secrets`. What a secret holds never comes back.
struct PayloadRoutes: Sendable {
    static let knownFilters: Set<String> = ["id", "label", "name", "names"]

    let cluster: ControlPlane?

    private func access() throws(EngineError) -> ControlPlane { try ClusterAccess.required(cluster) }

    func register(_ router: inout Router) {
        registerConfigs(&router)
        registerSecrets(&router)
    }

    private func registerConfigs(_ router: inout Router) {
        router.on("GET", "configs") { request in
            let filters = try Self.filters(request)
            let shown = try await access().state().configs.values.filter { Self.isMeant($0, $0.spec, filters) }
            return .json(.array(shown.sorted(by: Self.isEarlier).map(ClusterShapes.config)))
        }
        router.on("POST", "configs/create") { request in
            .json(
                ["ID": .string(try await access().createConfig(try await request.decode(PayloadRequest.self)))],
                status: 201)
        }
        router.on("GET", "configs/{id}") { request in
            let state = try await access().state()
            return .json(ClusterShapes.config(try ClusterLookup.payload(request["id"], state.configs)))
        }
        router.on("DELETE", "configs/{id}") { request in
            let cluster = try access()
            let config = try ClusterLookup.payload(request["id"], try await cluster.state().configs)
            try await cluster.removeConfig(config.id)
            return .noContent
        }
        router.on("POST", "configs/{id}/update") { request in
            let cluster = try access()
            let version = try Self.version(request, "config")
            let body = try await request.decode(PayloadRequest.self)
            let config = try ClusterLookup.payload(request["id"], try await cluster.state().configs)
            try await cluster.updateConfig(config.id, version: version, body)
            return .ok
        }
    }

    private func registerSecrets(_ router: inout Router) {
        router.on("GET", "secrets") { request in
            let filters = try Self.filters(request)
            let shown = try await access().state().secrets.values.filter { Self.isMeant($0, $0.spec, filters) }
            return .json(.array(shown.sorted(by: Self.isEarlier).map(ClusterShapes.secret)))
        }
        router.on("POST", "secrets/create") { request in
            .json(
                ["ID": .string(try await access().createSecret(try await request.decode(PayloadRequest.self)))],
                status: 201)
        }
        router.on("GET", "secrets/{id}") { request in
            let state = try await access().state()
            return .json(ClusterShapes.secret(try ClusterLookup.payload(request["id"], state.secrets)))
        }
        router.on("DELETE", "secrets/{id}") { request in
            let cluster = try access()
            let secret = try ClusterLookup.payload(request["id"], try await cluster.state().secrets)
            try await cluster.removeSecret(secret.id)
            return .noContent
        }
        router.on("POST", "secrets/{id}/update") { request in
            let cluster = try access()
            let version = try Self.version(request, "secret")
            let body = try await request.decode(PayloadRequest.self)
            let secret = try ClusterLookup.payload(request["id"], try await cluster.state().secrets)
            try await cluster.updateSecret(secret.id, version: version, body)
            return .ok
        }
    }

    /// The version of the object that the client read; Docker's words where it is none.
    private static func version(_ request: APIRequest, _ kind: String) throws -> UInt64 {
        guard let version = request.text("version").flatMap(UInt64.init) else {
            throw EngineError(.invalidParameter, "invalid \(kind) version")
        }
        return version
    }

    private static func filters(_ request: APIRequest) throws -> ObjectFilters {
        let filters = try request.filters()
        try filters.check(known: knownFilters)
        return filters
    }

    /// One of the names and identifiers that are asked for, and all labels (swarmkit: ListConfigs).
    static func isMeant(_ object: some NamedObject, _ spec: PayloadSpec, _ filters: ObjectFilters) -> Bool {
        let ways: [(key: String, fits: (String) -> Bool)] = [
            ("names", { spec.name == $0 }), ("name", spec.name.hasPrefix), ("id", object.id.hasPrefix),
        ]
        let asked = ways.filter { filters.values[$0.key]?.isEmpty == false }
        return (asked.isEmpty || asked.contains { filters.matches($0.key, $0.fits) })
            && filters.matches(labels: spec.labels)
    }

    private static func isEarlier<Object: NamedObject>(_ left: Object, _ right: Object) -> Bool {
        (left.createdAt, left.id) < (right.createdAt, right.id)
    }
}
