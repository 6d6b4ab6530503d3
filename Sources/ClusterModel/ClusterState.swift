import Collections
import Values

/// Everything that the managers agree on, at one index of the log. A value: a copy is a snapshot and costs nothing.
public struct ClusterState: Sendable {
    /// The index of the last entry that was applied.
    public private(set) var index: UInt64 = 0
    /// The time of the last entry.
    public private(set) var time = Timestamp.epoch
    /// What transactions may contain; it never falls.
    public private(set) var version = ClusterVersion.first
    public private(set) var cluster: ClusterObject?
    public private(set) var nodes = TreeDictionary<String, NodeObject>()
    public private(set) var services = TreeDictionary<String, ServiceObject>()
    public private(set) var tasks = TreeDictionary<String, TaskObject>()
    public private(set) var networks = TreeDictionary<String, NetworkObject>()
    public private(set) var attachments = TreeDictionary<String, AttachmentObject>()
    public private(set) var configs = NamedObjects<ConfigObject>()
    public private(set) var secrets = NamedObjects<SecretObject>()
    /// The latest transactions with an identifier.
    public private(set) var recentTransactions = RecentTransactions()
    private var tasksByService = TreeDictionary<String, TreeSet<String>>()
    private var tasksByNode = TreeDictionary<String, TreeSet<String>>()

    public init() {}

    /// A service's tasks, in no particular order.
    public func tasks(ofService id: String) -> [TaskObject] {
        (tasksByService[id] ?? []).compactMap { tasks[$0] }
    }

    /// The tasks placed on a node, in no particular order.
    public func tasks(onNode id: String) -> [TaskObject] {
        (tasksByNode[id] ?? []).compactMap { tasks[$0] }
    }

    public func service(named name: String) -> ServiceObject? { services.values.first { $0.spec.name == name } }

    public func network(named name: String) -> NetworkObject? { networks.values.first { $0.spec.name == name } }

    public var ingressNetwork: NetworkObject? { networks.values.first { $0.spec.isIngress } }

    /// Applies the entry at `index`: whole, or not at all with the reason. The index advances in both cases.
    ///
    /// One whose identifier was applied already changes nothing.
    ///
    /// - Returns: what changed, each object once per mutation.
    public mutating func apply(_ transaction: Transaction, at index: UInt64) throws(Refusal) -> [AppliedChange] {
        self.index = index
        time = max(time, transaction.time)
        recentTransactions.advance(to: index)
        if let id = transaction.id, recentTransactions.contains(id) { return [] }
        if let objection = objection(to: transaction) { throw objection }
        var changes: [AppliedChange] = []
        if transaction.mutations.count == 1 {
            // One alone checks before it changes anything: nothing has to be kept to go back to.
            if let change = try summed(transaction.mutations[0]) { changes.append(change) }
        } else {
            var next = self
            for mutation in transaction.mutations {
                if let change = try next.summed(mutation) { changes.append(change) }
            }
            self = next
        }
        if let id = transaction.id { recentTransactions.insert(id) }
        return changes
    }

    /// Applies a mutation, and says what the object was and is.
    private mutating func summed(_ mutation: Mutation) throws(Refusal) -> AppliedChange? {
        let before = mutation.specified(in: self).flatMap { summary(of: $0) }
        guard var change = try apply(mutation) else { return nil }
        change.before = before
        change.after = summary(of: change.object)
        return change
    }

    /// Why a transaction cannot be proposed in a cluster of this version, where managers may not understand it.
    public func objection(to transaction: Transaction) -> Refusal? {
        guard let needs = transaction.needs, needs > transaction.versionAfter(version) else { return nil }
        return .notAllowed(
            "this needs cluster version \(needs), and the cluster has \(version) until every manager supports a higher "
                + "one")
    }

    private func check(
        _ kind: ObjectKind, _ id: String, _ current: ObjectVersion?, expected: UInt64?
    ) throws(Refusal) {
        try Refusal.check(kind, id, current, expected: expected)
    }

    private mutating func apply(_ mutation: Mutation) throws(Refusal) -> AppliedChange? {
        let version = ObjectVersion(index: index)
        switch mutation {
        case .putCluster(var object, let expected):
            try check(.cluster, object.id, cluster?.version, expected: expected)
            let isNew = cluster == nil
            object.version = version
            object.updatedAt = time
            cluster = object
            return AppliedChange(kind: .cluster, id: object.id, action: isNew ? .create : .update)
        case .putNode(var object, let expected):
            try check(.node, object.id, nodes[object.id]?.version, expected: expected)
            let isNew = nodes[object.id] == nil
            object.gatewayBlock = object.gatewayBlock ?? nodes[object.id]?.gatewayBlock
            object.session = nodes[object.id]?.session
            object.version = version
            object.updatedAt = time
            nodes[object.id] = object
            return AppliedChange(kind: .node, id: object.id, action: isNew ? .create : .update)
        case .removeNode(let id, let expected):
            guard let node = nodes[id] else { throw .notFound(kind: .node, id: id) }
            try check(.node, id, node.version, expected: expected)
            nodes[id] = nil
            return AppliedChange(kind: .node, id: id, action: .remove)
        case .putService(let object, let expected): return try put(object, expected: expected)
        case .removeService(let id, let expected):
            guard let service = services[id] else { throw .notFound(kind: .service, id: id) }
            try check(.service, id, service.version, expected: expected)
            services[id] = nil
            return AppliedChange(kind: .service, id: id, action: .remove)
        case .createTask(var object):
            guard tasks[object.id] == nil else { throw .alreadyExists(kind: .task, name: object.id) }
            object.version = version
            object.updatedAt = time
            share(&object)
            tasks[object.id] = object
            link(object)
            return AppliedChange(kind: .task, id: object.id, action: .create)
        case .desire(let id, let desired):
            return change(task: id) { [time, index] task in
                guard desired > task.desiredState else { return false }
                task.desiredState = desired
                task.desiredSince = time
                if desired == .withdrawn { task.withdrawnAt = index }
                return true
            }
        case .assign(let id, let nodeID, let places):
            // An address that somebody was faster to take: the next plan chooses another.
            for place in places {
                guard let network = networks[place.networkID], !network.spec.isIngress else { continue }
                if usedAddresses(of: network).contains(place.address.address) { return nil }
            }
            return change(task: id) { [time, nodes] task in
                guard task.status.state < .assigned, nodes[nodeID] != nil else { return false }
                task.nodeID = nodeID
                task.attachments = places
                task.status = TaskStatus(timestamp: time, state: .assigned, message: "scheduler assigned task to node")
                return true
            }
        case .explain(let id, let reason):
            return change(task: id) { [time] task in
                guard task.status.state < .assigned, task.status.err != reason else { return false }
                task.status = TaskStatus(
                    timestamp: time, state: .pending, message: "pending task scheduling", err: reason)
                return true
            }
        case .orphan(let id):
            return change(task: id) { [time] task in
                guard !task.status.state.isTerminal else { return false }
                task.status.state = .orphaned
                task.status.timestamp = time
                task.isReady = false
                return true
            }
        case .allocate(let id, let endpoint):
            guard services[id] != nil, services[id]?.endpoint != endpoint else { return nil }
            services[id]?.endpoint = endpoint
            return AppliedChange(kind: .service, id: id, action: .update)
        case .progress(let id, let status):
            guard services[id] != nil, services[id]?.updateStatus != status else { return nil }
            services[id]?.updateStatus = status
            return AppliedChange(kind: .service, id: id, action: .update)
        case .allocateGateway(let id, let block):
            guard nodes[id] != nil else { return nil }
            nodes[id]?.gatewayBlock = block
            return AppliedChange(kind: .node, id: id, action: .update)
        case .moveCursor(let id, let cursor):
            guard networks[id] != nil else { return nil }
            networks[id]?.cursor = cursor
            return AppliedChange(kind: .network, id: id, action: .update)
        case .removeTask(let id):
            guard let task = tasks[id] else { return nil }
            tasks[id] = nil
            unlink(task)
            return AppliedChange(kind: .task, id: id, action: .remove)
        case .putNetwork(let object, let expected): return try put(object, expected: expected)
        case .removeNetwork(let id, let expected):
            guard let network = networks[id] else { throw .notFound(kind: .network, id: id) }
            try check(.network, id, network.version, expected: expected)
            if let user = user(ofNetwork: id) { throw .inUse(kind: .network, id: id, by: user) }
            networks[id] = nil
            return AppliedChange(kind: .network, id: id, action: .remove)
        case .putAttachment(var object):
            guard let network = networks[object.networkID] else {
                throw .notFound(kind: .network, id: object.networkID)
            }
            if attachments[object.id] == nil, usedAddresses(of: network).contains(object.address.address) {
                throw .alreadyExists(kind: .attachment, name: object.address.address.description)
            }
            let isNew = attachments[object.id] == nil
            object.version = version
            attachments[object.id] = object
            return AppliedChange(kind: .attachment, id: object.id, action: isNew ? .create : .update)
        case .removeAttachment(let id):
            guard attachments[id] != nil else { return nil }
            attachments[id] = nil
            return AppliedChange(kind: .attachment, id: id, action: .remove)
        case .putConfig(let object, let expected): return try configs.put(object, expected: expected, at: index, time)
        case .removeConfig(let id, let expected): return try configs.remove(id, expected: expected)
        case .putSecret(let object, let expected):
            // Who seals may know an older state. The key of then may be dropped when everything names the newer one.
            if let sealing = cluster?.sealingKey, object.data.keyID != sealing, object.data != secrets[object.id]?.data
            {
                throw .notAllowed("the secret is sealed under a data key that is not in use any more: try again")
            }
            return try secrets.put(object, expected: expected, at: index, time)
        case .removeSecret(let id, let expected): return try secrets.remove(id, expected: expected)
        case .raiseVersion(let higher):
            guard higher > self.version else { return nil }
            self.version = higher
            return cluster.map { AppliedChange(kind: .cluster, id: $0.id, action: .update) }
        case .observe(let observation): return observe(observation)
        case .openSession(let id, let session):
            guard nodes[id] != nil else { return nil }
            nodes[id]?.session = session
            return AppliedChange(kind: .node, id: id, action: .update)
        case .observeNode(let id, let status, let description):
            guard var node = nodes[id] else { return nil }
            if node.status == status, description == nil || description == node.description { return nil }
            node.status = status
            if let description { node.description = description }
            node.version = version
            node.updatedAt = time
            nodes[id] = node
            return AppliedChange(kind: .node, id: id, action: .update)
        }
    }

    private mutating func put(_ object: ServiceObject, expected: UInt64?) throws(Refusal) -> AppliedChange {
        var object = object
        try check(.service, object.id, services[object.id]?.version, expected: expected)
        if let other = service(named: object.spec.name), other.id != object.id {
            throw .alreadyExists(kind: .service, name: object.spec.name)
        }
        for attachment in object.spec.allNetworks where networks[attachment.target] == nil {
            throw .notFound(kind: .network, id: attachment.target)
        }
        for port in object.spec.ports where port.isIngress && port.publishedPort != 0 {
            let holder = services.values.first { other in
                other.id != object.id
                    && (other.endpoint.ports + other.spec.ports).contains {
                        $0.isIngress && $0.publishedPort == port.publishedPort && $0.protocol == port.protocol
                    }
            }
            if let holder {
                throw .portTaken(port: port.publishedPort, service: holder.spec.name, id: holder.id)
            }
        }
        let isNew = services[object.id] == nil
        // What was allocated meanwhile stays.
        if let current = services[object.id] { object.endpoint = current.endpoint }
        object.version = ObjectVersion(index: index)
        object.updatedAt = time
        services[object.id] = object
        return AppliedChange(kind: .service, id: object.id, action: isNew ? .create : .update)
    }

    /// Changes a task where it exists and `body` says that something changed.
    private mutating func change(task id: String, _ body: (inout TaskObject) -> Bool) -> AppliedChange? {
        guard let current = tasks[id] else { return nil }
        var task = current
        guard body(&task) else { return nil }
        task.version = ObjectVersion(index: index)
        task.updatedAt = time
        if task.nodeID != current.nodeID {
            unlink(current)
            link(task)
        }
        tasks[id] = task
        return AppliedChange(kind: .task, id: id, action: .update)
    }

    private mutating func put(_ object: NetworkObject, expected: UInt64?) throws(Refusal) -> AppliedChange {
        var object = object
        try check(.network, object.id, networks[object.id]?.version, expected: expected)
        if let other = network(named: object.spec.name), other.id != object.id {
            throw .alreadyExists(kind: .network, name: object.spec.name)
        }
        let isNew = networks[object.id] == nil
        if isNew,
            let other = networks.values.first(where: { $0.subnet.overlaps(object.subnet) || $0.vni == object.vni })
        {
            throw .notAllowed("subnet \(object.subnet) overlaps with network \(other.spec.name)")
        }
        object.version = ObjectVersion(index: index)
        object.updatedAt = time
        networks[object.id] = object
        return AppliedChange(kind: .network, id: object.id, action: isNew ? .create : .update)
    }

    private mutating func observe(_ observation: TaskObservation) -> AppliedChange? {
        change(task: observation.taskID) { [time] task in
            let state = observation.status.state
            guard task.nodeID == observation.nodeID, state >= task.status.state,
                !task.status.state.isTerminal || task.status.state == state,
                observation.status != task.status || observation.readinessCounter > task.readinessCounter
            else { return false }
            task.status = observation.status
            if observation.readinessCounter > task.readinessCounter {
                task.isReady = observation.isReady
                task.readinessCounter = observation.readinessCounter
            }
            if state != .running { task.isReady = false }
            if task.isReady, task.readyAt == nil { task.readyAt = time }
            return true
        }
    }

    /// The addresses of a network that somebody has.
    public func usedAddresses(of network: NetworkObject) -> Set<IPAddress> {
        var used: Set<IPAddress> = [network.gateway]
        for service in services.values {
            for address in service.endpoint.virtualIPs where address.networkID == network.id {
                used.insert(address.addr.address)
            }
        }
        for task in tasks.values where task.mayRun {
            for attachment in task.attachments where attachment.networkID == network.id {
                used.insert(attachment.address.address)
            }
        }
        for attachment in attachments.values where attachment.networkID == network.id {
            used.insert(attachment.address.address)
        }
        return used
    }

    /// Who keeps a network from being removed; nil where nobody does.
    public func user(ofNetwork id: String) -> String? {
        if let service = services.values.first(where: { $0.spec.allNetworks.contains { $0.target == id } }) {
            return "service \(service.spec.name)"
        }
        if let attachment = attachments.values.first(where: { $0.networkID == id }) {
            return "container \(attachment.containerID.prefix(12))"
        }
        let task = tasks.values.first { task in
            task.mayRun && nodes[task.nodeID] != nil && task.attachments.contains { $0.networkID == id }
        }
        return task.map { "task \($0.id)" }
    }

    /// Has a task hold what its service holds, where they are equal: there are many tasks of a service.
    private func share(_ task: inout TaskObject) {
        guard let service = services[task.serviceID] else { return }
        if !task.$spec.share(service.spec.$taskTemplate), let previous = service.previousSpec {
            _ = task.$spec.share(previous.$taskTemplate)
        }
        if task.endpoint == service.endpoint { task.endpoint = service.endpoint }
    }

    private mutating func link(_ task: TaskObject) {
        tasksByService[task.serviceID, default: []].insert(task.id)
        if !task.nodeID.isEmpty { tasksByNode[task.nodeID, default: []].insert(task.id) }
    }

    private mutating func unlink(_ task: TaskObject) {
        tasksByService[task.serviceID]?.remove(task.id)
        if tasksByService[task.serviceID]?.isEmpty == true { tasksByService[task.serviceID] = nil }
        tasksByNode[task.nodeID]?.remove(task.id)
        if tasksByNode[task.nodeID]?.isEmpty == true { tasksByNode[task.nodeID] = nil }
    }
}

extension ClusterState {
    /// A state from what a store holds.
    public init(
        index: UInt64, time: Timestamp, cluster: ClusterObject?, nodes: [NodeObject], services: [ServiceObject],
        tasks: [TaskObject], networks: [NetworkObject], attachments: [AttachmentObject], configs: [ConfigObject],
        secrets: [SecretObject], recentTransactions: [AppliedTransaction], version: ClusterVersion = .first
    ) {
        self.recentTransactions = RecentTransactions(recentTransactions, at: index)
        self.index = index
        self.time = time
        self.version = version
        self.cluster = cluster
        for node in nodes { self.nodes[node.id] = node }
        for service in services { self.services[service.id] = service }
        for network in networks { self.networks[network.id] = network }
        for attachment in attachments { self.attachments[attachment.id] = attachment }
        self.configs = NamedObjects(configs)
        self.secrets = NamedObjects(secrets)
        for var task in tasks {
            share(&task)
            self.tasks[task.id] = task
            link(task)
        }
    }
}
