import Values

/// A change of one object of the cluster.
///
/// `expected` is the version that the proposer read: 0 for an object that must not exist yet; nil where any will do.
public enum Mutation: Hashable, Sendable, Codable {
    case putCluster(ClusterObject, expected: UInt64?)
    case putNode(NodeObject, expected: UInt64?)
    case removeNode(String, expected: UInt64?)
    case putService(ServiceObject, expected: UInt64?)
    case removeService(String, expected: UInt64?)
    case createTask(TaskObject)
    case removeTask(String)
    /// Orchestration's wish for a task; only later ones follow.
    case desire(taskID: String, DesiredTaskState)
    /// Scheduling's decision: the node, and the addresses that the task has there.
    case assign(taskID: String, nodeID: String, attachments: [TaskAttachment])
    /// Why a task cannot be placed.
    case explain(taskID: String, reason: String)
    /// The task's node is gone for good.
    case orphan(taskID: String)
    /// What was allocated for a service. Does not change the version that clients see.
    case allocate(serviceID: String, ServiceEndpoint)
    /// How far a service's update has come. Does not change the version that clients see.
    case progress(serviceID: String, UpdateStatus?)
    /// A node's block of the ingress gateway pool.
    case allocateGateway(nodeID: String, CIDR)
    /// Where the search for a network's next free address begins.
    case moveCursor(networkID: String, UInt64)
    case putNetwork(NetworkObject, expected: UInt64?)
    case removeNetwork(String, expected: UInt64?)
    case putAttachment(AttachmentObject)
    case removeAttachment(String)
    case putConfig(ConfigObject, expected: UInt64?)
    case removeConfig(String, expected: UInt64?)
    case putSecret(SecretObject, expected: UInt64?)
    case removeSecret(String, expected: UInt64?)
    /// What an agent saw of a task; ignored where the task is gone or the news is older than what is known.
    case observe(TaskObservation)
    /// What a node's session says: its state, and its description where it is new; ignored where the node is gone.
    case observeNode(id: String, NodeStatus, NodeDescription?)
    /// A node has a session with a manager, which is its last one from here on; ignored where the node is gone.
    case openSession(nodeID: String, session: String)
    /// The leader's decision that all managers understand more; a lower version than the present one changes nothing.
    case raiseVersion(to: ClusterVersion)
}

extension Mutation {
    /// The lowest version of a cluster whose managers all understand it.
    public var requiredVersion: ClusterVersion {
        switch self {
        case .raiseVersion(let version): max(version, .stated)
        // Leaders of the first would take the witness out of raft again.
        case .putCluster(let object, _): object.managerPolicy.witness == nil ? .first : .stated
        case .putNode(let object, _): object.session == nil ? .first : .stated
        case .openSession: .stated
        case .removeNode, .putService, .removeService, .createTask, .removeTask, .desire,
            .assign, .explain, .orphan, .allocate, .progress, .allocateGateway, .moveCursor, .putNetwork,
            .removeNetwork, .putAttachment, .removeAttachment, .putConfig, .removeConfig, .putSecret, .removeSecret,
            .observe, .observeNode:
            .first
        }
    }

    /// What it raises the cluster's version to; nil where it does not.
    var raisedVersion: ClusterVersion? {
        if case .raiseVersion(let version) = self { version } else { nil }
    }
}

/// A task's status as its agent reports it.
public struct TaskObservation: Hashable, Sendable, Codable {
    public var taskID: String
    public var nodeID: String
    public var status: TaskStatus
    public var isReady: Bool
    public var readinessCounter: UInt64

    public init(taskID: String, nodeID: String, status: TaskStatus, isReady: Bool, readinessCounter: UInt64) {
        self.taskID = taskID
        self.nodeID = nodeID
        self.status = status
        self.isReady = isReady
        self.readinessCounter = readinessCounter
    }
}

/// One entry of the log: mutations that are applied whole or not at all.
public struct Transaction: Hashable, Sendable, Codable {
    /// What the leader stamped: the larger of the last entry's time and its clock.
    public var time: Timestamp
    /// Chosen by a client's manager, so that asking twice changes once; nil for the leader's own decisions.
    public var id: String?
    /// nil in entries of versions that did not write it down.
    public var author: Author?
    /// What its author says of it, for the history: `rollback to 17`.
    public var note: String?
    /// The lowest version of a cluster whose managers all understand it; nil for the first.
    public var needs: ClusterVersion?
    public var mutations: [Mutation]

    enum CodingKeys: String, CodingKey {
        case time, id, note, needs, mutations
        // Entries of the first versions have a text under "author".
        case author = "by"
    }

    public init(
        time: Timestamp, id: String? = nil, author: Author? = nil, note: String? = nil, mutations: [Mutation]
    ) {
        self.time = time
        self.id = id
        self.author = author
        self.note = note
        self.mutations = mutations
        let required = mutations.lazy.map(\.requiredVersion).max() ?? .first
        needs = required > .first ? required : nil
    }

    /// What members earlier versions wrote that nobody reads any more. None may ever mean something else.
    public static let retiredMembers: Set<String> = ["author", "session"]

    /// The version that a cluster has after it where it had `version` before.
    func versionAfter(_ version: ClusterVersion) -> ClusterVersion {
        mutations.lazy.compactMap(\.raisedVersion).reduce(version) { max($0, $1) }
    }
}

/// Why a transaction was refused; nothing of it was applied.
public enum Refusal: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// An object has another version than the one that the proposer read.
    case versionMismatch(kind: ObjectKind, id: String)
    case notFound(kind: ObjectKind, id: String)
    case alreadyExists(kind: ObjectKind, name: String)
    case inUse(kind: ObjectKind, id: String, by: String)
    /// An ingress port that another service has.
    case portTaken(port: UInt16, service: String, id: String)
    /// A transition that the rules do not allow.
    case notAllowed(String)

    /// Whether a newer state may have no reason to refuse.
    public var mayBeRace: Bool {
        switch self {
        case .versionMismatch, .notAllowed: true
        case .notFound, .alreadyExists, .inUse, .portTaken: false
        }
    }

    /// Whether an object is as its proposer saw it.
    static func check(
        _ kind: ObjectKind, _ id: String, _ current: ObjectVersion?, expected: UInt64?
    ) throws(Refusal) {
        guard let expected else { return }
        if expected == 0 {
            if current != nil { throw .alreadyExists(kind: kind, name: id) }
        } else {
            guard let current else { throw .notFound(kind: kind, id: id) }
            if current.index != expected { throw .versionMismatch(kind: kind, id: id) }
        }
    }

    public var description: String {
        switch self {
        case .versionMismatch: "rpc error: code = Unknown desc = update out of sequence"
        case .notFound(let kind, let id): "\(kind.rawValue) \(id) not found"
        case .alreadyExists(let kind, let name) where kind == .config || kind == .secret:
            "rpc error: code = AlreadyExists desc = \(kind.rawValue) \(name) already exists"
        case .alreadyExists(let kind, let name):
            "rpc error: code = AlreadyExists desc = name conflicts with an existing object: \(kind.rawValue) \(name) "
                + "already exists"
        case .inUse(let kind, let id, let user): "\(kind.rawValue) \(id) is in use by \(user)"
        case .portTaken(let port, let service, let id):
            "rpc error: code = InvalidArgument desc = port '\(port)' is already in use by service '\(service)' (\(id)) "
                + "as an ingress port"
        case .notAllowed(let reason): reason
        }
    }
}

/// The kinds of object in a cluster's state.
public enum ObjectKind: String, Sendable, Codable, CaseIterable {
    case cluster, node, service, task, network, attachment, config, secret

    /// Those that decisions and hosts' pictures rest on.
    public static let ofOrchestration = Set(allCases).subtracting([.config, .secret])
}

/// What an applied mutation did to an object.
public struct AppliedChange: Hashable, Sendable {
    public enum Action: String, Sendable {
        case create, update, remove
    }

    public var kind: ObjectKind
    public var id: String
    public var action: Action
    /// What is told of the object as it was; nil where it did not exist, and of kinds of which nothing is told.
    public var before: ObjectSummary?
    /// The same as it is now.
    public var after: ObjectSummary?

    public init(
        kind: ObjectKind, id: String, action: Action, before: ObjectSummary? = nil, after: ObjectSummary? = nil
    ) {
        self.kind = kind
        self.id = id
        self.action = action
        self.before = before
        self.after = after
    }

    public var object: ObjectReference { ObjectReference(kind: kind, id: id) }
}
