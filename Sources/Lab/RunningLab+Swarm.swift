import EngineClient
import JSON
import LinuxSystem
import Values

extension RunningLab {
    /// The port that cluster traffic goes to.
    static let clusterPort = 2377
    /// The longest a step of forming the swarm takes.
    static let swarmLimit = Duration.seconds(60)

    /// Forms the swarm as the configuration says: the first manager opens it, the others join it, labels are set;
    /// returns when every node is ready in its role.
    func formSwarm(_ configuration: LabConfiguration, _ progress: @Sendable (String) -> Void) async throws {
        guard let first = configuration.hosts.firstIndex(where: { $0.role == .manager }) else { return }
        let leader = client(at: first, configuration)
        let leaderAddress = clusterAddress(first, configuration)
        try await step("open the swarm on \(configuration.hosts[first].name)") {
            try await leader.json(
                "POST", "/swarm/init",
                body: [
                    "ListenAddr": .string("0.0.0.0:\(Self.clusterPort)"), "AdvertiseAddr": .string(leaderAddress),
                ])
        }
        progress("\(configuration.hosts[first].name) opened the swarm")
        let tokens = try await step("read the join tokens") { try await leader.json("GET", "/swarm") }["JoinTokens"]
        for (index, host) in configuration.hosts.enumerated() where index != first {
            guard let token = tokens?[host.role == .manager ? "Manager" : "Worker"]?.string else {
                throw LabError("the engine named no join token for a \(host.role.rawValue)")
            }
            let client = client(at: index, configuration)
            try await step("join \(host.name)") {
                try await client.json(
                    "POST", "/swarm/join",
                    body: [
                        "ListenAddr": .string("0.0.0.0:\(Self.clusterPort)"),
                        "AdvertiseAddr": .string(clusterAddress(index, configuration)),
                        "RemoteAddrs": .array([.string(leaderAddress)]), "JoinToken": .string(token),
                    ])
            }
            progress("\(host.name) joined as a \(host.role.rawValue)")
        }
        for (index, host) in configuration.hosts.enumerated() where !host.labels.isEmpty {
            let id = try await nodeID(client(at: index, configuration), host.name)
            try await setLabels(host.labels, ofNode: id, named: host.name, leader)
        }
        try await waitForNodes(configuration, leader)
        progress("all nodes are ready")
    }

    private func client(at index: Int, _ configuration: LabConfiguration) -> EngineClient {
        EngineClient(address: .unix(paths.socket(configuration.hosts[index].name)))
    }

    private func clusterAddress(_ index: Int, _ configuration: LabConfiguration) -> String {
        let address = configuration.underlay.addresses(ofHost: index, of: configuration.hosts.count).v4
        return "\(address):\(Self.clusterPort)"
    }

    /// Says what was attempted where it fails, and does not wait for an answer for good.
    @discardableResult
    private func step(
        _ what: String, _ body: @escaping @Sendable () async throws -> JSONValue
    ) async throws -> JSONValue {
        do {
            return try await withThrowingTaskGroup(of: JSONValue.self) { group in
                group.addTask { try await body() }
                group.addTask {
                    try await Task.sleep(for: Self.swarmLimit)
                    throw LabError("no answer within \(Self.swarmLimit)")
                }
                defer { group.cancelAll() }
                return try await group.next() ?? .null
            }
        } catch {
            throw LabError("cannot \(what): \(error)")
        }
    }

    private func nodeID(_ client: EngineClient, _ name: String) async throws -> String {
        let information = try await step("ask \(name) for its node") { try await client.json("GET", "/info") }
        guard let id = information["Swarm"]?["NodeID"]?.string, !id.isEmpty else {
            throw LabError("\(name) is part of no swarm although it joined")
        }
        return id
    }

    /// The most often an update is tried whose node was changed meanwhile.
    private static let updateAttempts = 10

    private func setLabels(
        _ labels: [String: String], ofNode id: String, named name: String, _ leader: EngineClient
    ) async throws {
        for attempt in 1...Self.updateAttempts {
            let node = try await step("read the node of \(name)") { try await leader.json("GET", "/nodes/\(id)") }
            guard let version = node["Version"]?["Index"]?.integer, var spec = node["Spec"] else {
                throw LabError("the engine's answer about the node of \(name) has no version")
            }
            spec["Labels"] = .object(labels.mapValues { .string($0) })
            let wanted = spec
            do {
                try await leader.json("POST", "/nodes/\(id)/update", query: [("version", "\(version)")], body: wanted)
                return
            } catch let error as EngineClientError {
                guard attempt < Self.updateAttempts, error.message.contains("out of sequence") else {
                    throw LabError("cannot label \(name): \(error)")
                }
            }
        }
    }

    /// Waits until every node is ready and has its role, managers reachable.
    private func waitForNodes(_ configuration: LabConfiguration, _ leader: EngineClient) async throws {
        let deadline = ContinuousClock.now + Self.swarmLimit
        while true {
            let nodes = (try? await leader.json("GET", "/nodes"))?.array ?? []
            let missing = configuration.hosts.filter { host in
                !nodes.contains { node in
                    node["Description"]?["Hostname"]?.string == host.name
                        && node["Status"]?["State"]?.string == "ready"
                        && node["Spec"]?["Role"]?.string == host.role.rawValue
                        && (host.role == .worker || node["ManagerStatus"]?["Reachability"]?.string == "reachable")
                }
            }
            if missing.isEmpty, nodes.count == configuration.hosts.count { return }
            guard ContinuousClock.now < deadline else {
                let names = missing.map(\.name).joined(separator: ", ")
                throw LabError("not ready in its role within \(Self.swarmLimit): \(names)")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
