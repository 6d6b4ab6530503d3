import ClusterManager
import ClusterModel
import Engine
import EngineModel
import JSON
import Values

/// `/networks`: this host's, and the cluster's where this host is a manager.
struct NetworkRoutes: Sendable {
    let engine: Engine
    let cluster: ControlPlane?

    /// The body of `POST /networks/create` (Engine API: NetworkCreateRequest).
    struct Creation: Decodable {
        struct Addressing: Decodable {
            struct Pool: Decodable {
                var subnet: String
                var ipRange: String
                var gateway: String

                enum CodingKeys: String, CodingKey {
                    case subnet
                    case ipRange = "IPRange"
                    case gateway
                }
            }

            var driver: String
            var config: [Pool]?
        }

        var name: String
        var driver: String
        var scope: String
        var isInternal: Bool
        var attachable: Bool
        var ingress: Bool
        var configOnly: Bool
        var ipam: Addressing?
        var enableIPv6: Bool
        var options: [String: String]
        var labels: [String: String]

        enum CodingKeys: String, CodingKey {
            case name, driver, scope
            case isInternal = "Internal"
            case attachable, ingress, configOnly, ipam, enableIPv6, options, labels
        }
    }

    private struct Connection: Decodable {
        var container: String
        var endpointConfig: EndpointSettings?
        var force: Bool
    }

    func register(_ router: inout Router) {
        router.on("GET", "networks", list)
        router.on("POST", "networks/create", create)
        router.on("POST", "networks/prune") { request in
            let filters = try request.filters()
            try filters.check(known: ["label", "label!", "until"])
            let deleted = try await engine.pruneNetworks(filters)
            return .json(["NetworksDeleted": deleted.isEmpty ? .null : .strings(deleted)])
        }
        router.on("GET", "networks/{id}", inspect)
        router.on("DELETE", "networks/{id}", remove)
        router.on("POST", "networks/{id}/connect") { request in
            let document = try await request.json()
            try UnsupportedSettings.check(endpoint: document["EndpointConfig"])
            let body = try JSONCoding.docker.decode(Connection.self, from: document)
            try await engine.connect(
                body.container, to: request["id"], body.endpointConfig ?? EndpointSettings())
            return .ok
        }
        router.on("POST", "networks/{id}/disconnect") { request in
            let body = try await request.decode(Connection.self)
            try await engine.disconnect(body.container, from: request["id"], force: body.force)
            return .ok
        }
    }

    /// The cluster's state where this host may read it; nil on workers and hosts outside a cluster.
    private func state() async -> ClusterState? {
        guard let cluster, cluster.membership.controlAvailable else { return nil }
        return try? await cluster.state()
    }

    private func list(_ request: APIRequest) async throws -> APIResponse {
        let filter = try NetworkFilter(request.filters())
        var records = await engine.networks()
        let known = Set(records.map(\.id))
        records += (await state())?.networks.values.filter { !known.contains($0.id) }.map(NetworkShapes.record) ?? []
        var shown: [JSONValue] = []
        for record in records.sorted(by: { ($0.createdAt, $0.name) > ($1.createdAt, $1.name) }) {
            let members = await engine.members(of: record.id)
            // A list does not show containers.
            if filter.matches(record, isUsed: !members.isEmpty) {
                shown.append(NetworkShapes.network(record, members: []))
            }
        }
        return .json(.array(shown))
    }

    private func inspect(_ request: APIRequest) async throws -> APIResponse {
        let record = try await find(request["id"], scope: request.text("scope"))
        var value = NetworkShapes.network(record, members: await engine.members(of: record.id))
        if record.scope == "swarm", let state = await state() {
            value["Peers"] = .array(
                state.nodes.values.filter { $0.status.state == .ready }.sorted { $0.id < $1.id }.map {
                    ["Name": .string($0.hostname), "IP": .string($0.status.addr)]
                })
            if request.flag("verbose") { value["Services"] = services(of: record.id, state) }
        }
        return .json(value)
    }

    /// The services on a network with their tasks' addresses (Engine API: ServiceInfo).
    private func services(of networkID: String, _ state: ClusterState) -> JSONValue {
        var services: [String: JSONValue] = [:]
        for service in state.services.values where service.spec.allNetworks.contains(where: { $0.target == networkID })
        {
            let address = service.endpoint.virtualIPs.first { $0.networkID == networkID }?.addr.address.description
            let tasks = state.tasks(ofService: service.id).filter(\.isServing).sorted { $0.slot < $1.slot }
            services[service.spec.name] = [
                "VIP": .string(address ?? ""), "Ports": [], "LocalLBIndex": 0,
                "Tasks": .array(
                    tasks.compactMap { task in
                        task.attachments.first { $0.networkID == networkID }.map { attachment in
                            [
                                "Name": .string(task.containerName(service: service.spec.name)),
                                "EndpointID": .string(task.id),
                                "EndpointIP": .string(attachment.address.address.description), "Info": nil,
                            ]
                        }
                    }),
            ]
        }
        return .object(services)
    }

    /// A whole identifier or name wins over a beginning of an identifier.
    private func find(_ reference: String, scope: String?) async throws -> NetworkRecord {
        let clusterNetworks = (await state())?.networks.values.map(NetworkShapes.record) ?? []
        if scope != "swarm" {
            let local = await engine.networks()
            if let record = local.first(where: { $0.id == reference || $0.name == reference }) { return record }
        }
        if scope != "local" {
            if let record = clusterNetworks.first(where: { $0.id == reference || $0.name == reference }) {
                return record
            }
            let matches = clusterNetworks.filter { $0.id.hasPrefix(reference) }
            if matches.count == 1 { return matches[0] }
        }
        return try await engine.network(reference)
    }

    private func create(_ request: APIRequest) async throws -> APIResponse {
        let body = try await request.decode(Creation.self)
        guard !body.name.isEmpty else { throw EngineError(.invalidParameter, "network name cannot be empty") }
        let pools = body.ipam?.config?.filter { !$0.subnet.isEmpty || !$0.gateway.isEmpty || !$0.ipRange.isEmpty } ?? []
        guard pools.count <= 1 else {
            throw EngineError(.invalidParameter, "more than one subnet for a network is not available yet")
        }
        guard !body.enableIPv6 else {
            throw EngineError(.invalidParameter, "networks with IPv6 are not available yet")
        }
        guard !body.configOnly else {
            throw EngineError(.invalidParameter, "config-only networks are not available")
        }
        if body.driver == "overlay" || body.scope == "swarm" {
            return try await createClusterNetwork(body, pool: pools.first)
        }
        guard !body.ingress else {
            throw EngineError(.invalidParameter, "only overlay networks can be ingress networks")
        }
        var creation = NetworkCreation(name: body.name)
        creation.driver = body.driver
        creation.isInternal = body.isInternal
        creation.subnet = pools.first.flatMap { $0.subnet.isEmpty ? nil : $0.subnet }
        creation.gateway = pools.first.flatMap { $0.gateway.isEmpty ? nil : $0.gateway }
        creation.ipRange = pools.first.flatMap { $0.ipRange.isEmpty ? nil : $0.ipRange }
        creation.labels = body.labels
        creation.options = body.options
        let (id, warning) = try await engine.createNetwork(creation)
        return .json(["Id": .string(id), "Warning": .string(warning)], status: 201)
    }

    private func createClusterNetwork(_ body: Creation, pool: Creation.Addressing.Pool?) async throws -> APIResponse {
        var wanted = ClusterNetworkRequest(name: body.name)
        wanted.labels = body.labels
        wanted.isInternal = body.isInternal
        wanted.isAttachable = body.attachable
        wanted.isIngress = body.ingress
        wanted.options = body.options
        if let text = pool?.subnet, !text.isEmpty {
            guard let subnet = CIDR(text) else { throw EngineError(.invalidParameter, "invalid subnet \(text)") }
            wanted.subnet = subnet
        }
        if let text = pool?.gateway, !text.isEmpty {
            guard let gateway = IPAddress(text) else { throw EngineError(.invalidParameter, "invalid gateway \(text)") }
            wanted.gateway = gateway
        }
        if let range = pool?.ipRange, !range.isEmpty {
            throw EngineError(.invalidParameter, "ip ranges of overlay networks are not available yet")
        }
        let id = try await ClusterAccess.required(cluster).createNetwork(wanted)
        return .json(["Id": .string(id), "Warning": ""], status: 201)
    }

    private func remove(_ request: APIRequest) async throws -> APIResponse {
        let record = try await find(request["id"], scope: nil)
        if record.scope == "swarm" {
            try await ClusterAccess.required(cluster).removeNetwork(record.id)
        } else {
            try await engine.removeNetwork(record.id)
        }
        return .noContent
    }
}

/// The control plane for routes that need one.
enum ClusterAccess {
    /// Docker's refusal on a host that takes no part in a cluster.
    static func required(_ cluster: ControlPlane?) throws(EngineError) -> ControlPlane {
        guard let cluster else {
            throw EngineError(
                .unavailable,
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this "
                    + "node to swarm and try again.")
        }
        return cluster
    }
}
