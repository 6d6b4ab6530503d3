import ClusterModel
import JSON
import NetworkModel
import Values

/// Makes a rollback's plan, kind by kind, on a copy of the state to which each part is applied as it is decided.
struct RollbackPlanner {
    let past: [ObjectReference: HistoryRecord]
    /// What is there as it was read: versions are those that were read.
    let state: ClusterState
    let now: Timestamp
    private var trial: ClusterState
    /// Networks of the past and those that stand for them now.
    private var successors: [String: String] = [:]

    private(set) var steps: [RollbackPlan.Step] = []
    private(set) var exceptions: [RollbackPlan.Exception] = []
    private(set) var mutations: [Mutation] = []
    private(set) var laterRemovals: [RollbackPlan.Removal] = []

    init(past: [ObjectReference: HistoryRecord], state: ClusterState, now: Timestamp) {
        self.past = past
        self.state = state
        self.now = now
        trial = state
    }

    mutating func plan(using generator: inout some RandomNumberGenerator) throws(RollbackRefusal) {
        let services = try wantedServices()
        try removeServices(except: services)
        let missing = try matchNetworks()
        // First what nobody uses, whose subnet is free then; at last what services have just left.
        var unwanted = try removeNetworks(state.networks.values.sorted { $0.spec.name < $1.spec.name })
        try changeCluster(networks: missing, using: &generator)
        try writeServices(services, using: &generator)
        unwanted = try removeNetworks(unwanted)
        for network in unwanted { removeLater(network) }
        try changeConfigs(using: &generator)
        try changeSecrets()
        try changeNodes()
    }

    /// The past's objects of one kind, by name.
    func records(_ kind: ObjectKind) -> [HistoryRecord] {
        past.values.filter { $0.object.kind == kind }.sorted { ($0.name, $0.object.id) < ($1.name, $1.object.id) }
    }

    mutating func take(_ mutation: Mutation) throws(RollbackRefusal) {
        mutations.append(mutation)
        do throws(Refusal) {
            _ = try trial.apply(Transaction(time: now, mutations: [mutation]), at: state.index)
        } catch {
            throw .refused(error)
        }
    }

    mutating func note(
        _ object: ObjectReference, _ name: String, _ change: HistoryRecord.Change,
        fields: [SpecificationDifference.Field] = [], remark: String? = nil
    ) {
        steps.append(
            RollbackPlan.Step(object: object, name: name, change: change, fields: fields, remark: remark))
    }
}

// MARK: Services

extension RollbackPlanner {
    /// A service of the past, and the one that stands for it now.
    private struct Wanted {
        var record: HistoryRecord
        var spec: ServiceSpec
        var document: JSONValue
        var current: ServiceObject?
    }

    private func wantedServices() throws(RollbackRefusal) -> [Wanted] {
        var result: [Wanted] = []
        for record in records(.service) {
            guard let document = record.specification,
                let spec = try? JSONCoding.docker.decode(ServiceSpec.self, from: document)
            else { throw .unreadable(kind: .service, name: record.name) }
            let candidate = state.services[record.object.id] ?? state.service(named: spec.name)
            // Neither a name nor a mode can be changed: such a service is another one.
            let current = candidate.flatMap { service in
                service.spec.name == spec.name && service.spec.isGlobal == spec.isGlobal ? service : nil
            }
            result.append(Wanted(record: record, spec: spec, document: document, current: current))
        }
        return result
    }

    private mutating func removeServices(except wanted: [Wanted]) throws(RollbackRefusal) {
        let kept = Set(wanted.compactMap(\.current?.id))
        let unwanted = state.services.values.filter { !kept.contains($0.id) }
        for service in unwanted.sorted(by: { $0.spec.name < $1.spec.name }) {
            try take(.removeService(service.id, expected: service.version.index))
            note(ObjectReference(kind: .service, id: service.id), service.spec.name, .removed)
        }
    }

    private mutating func writeServices(
        _ wanted: [Wanted], using generator: inout some RandomNumberGenerator
    ) throws(RollbackRefusal) {
        for service in wanted {
            let document = Self.replacing(successors, in: service.document)
            guard let spec = try? JSONCoding.docker.decode(ServiceSpec.self, from: document) else {
                throw .unreadable(kind: .service, name: service.record.name)
            }
            if var current = service.current {
                guard current.document != document else { continue }
                let fields = SpecificationDifference.fields(current.document, document)
                current.update(to: spec, document: document, at: now)
                try take(.putService(current, expected: current.version.index))
                note(ObjectReference(kind: .service, id: current.id), spec.name, .updated, fields: fields)
            } else {
                let new = ServiceObject(
                    id: Identifiers.swarm(using: &generator), createdAt: now, spec: spec, document: document,
                    endpoint: ServiceEndpoint(spec: spec.endpointSpec ?? EndpointSpec()))
                try take(.putService(new, expected: 0))
                note(
                    ObjectReference(kind: .service, id: new.id), spec.name, .created,
                    remark: "it was \(service.record.object.id)")
            }
        }
    }

    /// A service's document with other networks.
    private static func replacing(_ successors: [String: String], in document: JSONValue) -> JSONValue {
        guard let networks = document["TaskTemplate"]?["Networks"]?.array else { return document }
        var document = document
        document["TaskTemplate"]?["Networks"] = .array(
            networks.map { network in
                guard let target = network["Target"]?.string, let successor = successors[target] else { return network }
                var network = network
                network["Target"] = .string(successor)
                return network
            })
        return document
    }
}

// MARK: Networks and the cluster

extension RollbackPlanner {
    /// Finds what stands for the networks of the past; returns those for which nothing does.
    private mutating func matchNetworks() throws(RollbackRefusal) -> [HistoryRecord] {
        var missing: [HistoryRecord] = []
        for record in records(.network) {
            guard let document = record.specification, let wanted = Specifications.network(document) else {
                throw .unreadable(kind: .network, name: record.name)
            }
            if wanted.spec.isIngress {
                if let ingress = state.ingressNetwork { successors[record.object.id] = ingress.id }
            } else if let same = state.networks[record.object.id] {
                successors[same.id] = same.id
            } else if let namesake = state.network(named: record.name) {
                guard namesake.spec == wanted.spec else { throw .networkReplaced(name: record.name) }
                successors[record.object.id] = namesake.id
            } else {
                missing.append(record)
            }
        }
        return missing
    }

    /// Removes those that came since and that nobody uses; returns those that somebody does.
    private mutating func removeNetworks(_ networks: [NetworkObject]) throws(RollbackRefusal) -> [NetworkObject] {
        let kept = Set(successors.values)
        var used: [NetworkObject] = []
        for network in networks where !kept.contains(network.id) && !network.spec.isIngress {
            guard trial.user(ofNetwork: network.id) == nil else {
                used.append(network)
                continue
            }
            try take(.removeNetwork(network.id, expected: network.version.index))
            note(ObjectReference(kind: .network, id: network.id), network.spec.name, .removed)
        }
        return used
    }

    private mutating func removeLater(_ network: NetworkObject) {
        laterRemovals.append(
            RollbackPlan.Removal(networkID: network.id, name: network.spec.name, version: network.version))
        note(
            ObjectReference(kind: .network, id: network.id), network.spec.name, .removed,
            remark: "when \(trial.user(ofNetwork: network.id) ?? "its user") has left it")
    }

    /// The cluster's own specification, and the networks that it has to make again.
    private mutating func changeCluster(
        networks: [HistoryRecord], using generator: inout some RandomNumberGenerator
    ) throws(RollbackRefusal) {
        guard var cluster = state.cluster else { return }
        var made: [NetworkObject] = []
        for record in networks {
            let network = try remake(record, &cluster, beside: made, using: &generator)
            made.append(network)
            successors[record.object.id] = network.id
        }
        let object = ObjectReference(kind: .cluster, id: cluster.id)
        if var spec = past[object]?.specification {
            // Whether managers are locked is no part of the past: it goes with their key.
            spec["EncryptionConfig"] = cluster.spec["EncryptionConfig"]
            if spec != cluster.spec {
                note(
                    object, cluster.spec["Name"]?.string ?? "", .updated,
                    fields: SpecificationDifference.fields(cluster.spec, spec))
                cluster.spec = spec
            }
        }
        if cluster != state.cluster { try take(.putCluster(cluster, expected: cluster.version.index)) }
        for network in made { try take(.putNetwork(network, expected: 0)) }
    }

    private mutating func remake(
        _ record: HistoryRecord, _ cluster: inout ClusterObject, beside made: [NetworkObject],
        using generator: inout some RandomNumberGenerator
    ) throws(RollbackRefusal) -> NetworkObject {
        guard let wanted = record.specification.flatMap(Specifications.network) else {
            throw .unreadable(kind: .network, name: record.name)
        }
        let used = trial.networks.values.map(\.subnet) + made.map(\.subnet)
        var (subnet, gateway) = (wanted.subnet, wanted.gateway)
        var remark = "it was \(record.object.id)"
        if used.contains(where: { $0.overlaps(wanted.subnet) }) {
            let pools = cluster.addressPools.map { SubnetPool(base: $0, prefixLength: cluster.subnetSize) }
            guard let free = pools.firstFree(avoiding: used + [cluster.gatewayPool]) else {
                throw .noSubnet(name: record.name)
            }
            (subnet, gateway) = (free, free.host(1))
            remark += "; its subnet \(wanted.subnet) is taken, it gets \(free)"
        }
        guard OverlayDefaults.vniRange.contains(cluster.nextVNI) else { throw .noSubnet(name: record.name) }
        let network = NetworkObject(
            id: Identifiers.swarm(using: &generator), createdAt: now, spec: wanted.spec, subnet: subnet,
            gateway: gateway, vni: cluster.nextVNI)
        cluster.nextVNI += 1
        note(ObjectReference(kind: .network, id: network.id), network.spec.name, .created, remark: remark)
        return network
    }
}

// MARK: Nodes

extension RollbackPlanner {
    private mutating func changeNodes() throws(RollbackRefusal) {
        for record in records(.node) {
            guard let wanted = record.specification.flatMap(Specifications.nodeSpec) else {
                throw .unreadable(kind: .node, name: record.name)
            }
            guard var node = state.nodes[record.object.id] else {
                except(record.object, record.name, "it has left the cluster and would have to join again")
                continue
            }
            if node.spec.role != wanted.role {
                except(
                    record.object, node.hostname,
                    "it stays a \(node.spec.role.rawValue): use node promote or node demote")
            }
            let before = Specifications.document(of: node)
            node.spec = NodeSpec(
                name: wanted.name, labels: wanted.labels, role: node.spec.role, availability: wanted.availability)
            let fields = SpecificationDifference.fields(before, Specifications.document(of: node))
            guard !fields.isEmpty else { continue }
            try take(.putNode(node, expected: node.version.index))
            note(record.object, node.hostname, .updated, fields: fields)
        }
        for node in state.nodes.values.sorted(by: { $0.hostname < $1.hostname }) {
            let object = ObjectReference(kind: .node, id: node.id)
            if past[object] == nil { except(object, node.hostname, "it has joined since and stays") }
        }
    }

    mutating func except(_ object: ObjectReference, _ name: String, _ reason: String) {
        exceptions.append(RollbackPlan.Exception(object: object, name: name, reason: reason))
    }
}
