import Values

/// A wish for an overlay network (Engine API: NetworkCreateRequest).
public struct ClusterNetworkRequest: Hashable, Sendable {
    public var name: String
    public var labels: [String: String] = [:]
    public var isInternal = false
    public var isAttachable = false
    public var isIngress = false
    public var options: [String: String] = [:]
    public var subnet: CIDR?
    public var gateway: IPAddress?

    public init(name: String) { self.name = name }
}

/// How raft reaches a manager (Engine API: ManagerStatus).
public struct ManagerReachability: Hashable, Sendable {
    public var isLeader: Bool
    public var isReachable: Bool
    /// It has the log and the state, and no vote.
    public var isSpare: Bool
    /// `address:port`.
    public var address: String
}

/// Which part of a log is wanted (Engine API: ServiceLogs).
public struct TaskLogOptions: Hashable, Sendable, Codable {
    public var follow = false
    public var since: Timestamp?
    /// Lines from the end; nil is all.
    public var tail: Int?
    public var includesOutput = true
    public var includesErrors = true

    public init() {}
}

/// A line of a task's output.
public struct TaskLogLine: Hashable, Sendable, Codable {
    public var taskID: String
    public var serviceID: String
    public var nodeID: String
    public var isError: Bool
    public var time: Timestamp
    /// With its line feed.
    public var text: String

    public init(taskID: String, serviceID: String, nodeID: String, isError: Bool, time: Timestamp, text: String) {
        self.taskID = taskID
        self.serviceID = serviceID
        self.nodeID = nodeID
        self.isError = isError
        self.time = time
        self.text = text
    }
}
