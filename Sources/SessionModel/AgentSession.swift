import ClusterModel
import Values

/// An agent's end of a session with the leader.
public struct AgentSession: Sendable {
    /// What the manager says; ends with the session.
    public let messages: AsyncThrowingStream<ManagerMessage, any Error>
    private let sender: @Sendable (AgentMessage) async throws -> Void

    public init(
        messages: AsyncThrowingStream<ManagerMessage, any Error>,
        sender: @escaping @Sendable (AgentMessage) async throws -> Void
    ) {
        self.messages = messages
        self.sender = sender
    }

    public func send(_ message: AgentMessage) async throws { try await sender(message) }
}

/// What an agent needs of its cluster: a session with the leader, and its peers.
public protocol ClusterAccess: Sendable {
    /// Runs `body` with a session with whoever leads now; returns when `body` does, throws when there is none to be had
    /// or it breaks.
    func withSession(_ body: @escaping @Sendable (AgentSession) async throws -> Void) async throws

    /// Asks a host of the cluster one question; `host` methods are answered by its agent.
    func call(_ method: String, _ payload: [UInt8], node: PeerAddress) async throws -> [UInt8]

    /// Asks the leader, wherever it is.
    func callLeader(_ method: String, _ payload: [UInt8]) async throws -> [UInt8]

    /// Receives a blob from a host, piece by piece.
    func fetchBlob(
        _ digest: Digest, offset: Int64, node: PeerAddress,
        _ receive: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws
}

/// What a host answers its peers, beside what its part of the control plane does.
public protocol HostServices: Sendable {
    /// - Parameter method: begins with `host.`.
    func call(_ method: String, _ payload: [UInt8]) async throws -> [UInt8]

    /// The pieces of a blob of the image store from `offset` on.
    func blob(_ digest: Digest, offset: Int64, _ send: @escaping @Sendable ([UInt8]) async throws -> Void) async throws
}

/// The questions that hosts answer each other.
public enum HostMethods {
    /// Names an image: `ImageQuestion` to `ImageOffer`.
    public static let image = "host.image"
    /// Some of a task's output: `TaskLogQuestion` to `TaskLogAnswer`.
    public static let logs = "host.logs"
    /// To the leader: a place on an attachable network for a container: `AttachmentQuestion` to `AttachmentObject`.
    public static let attach = "leader.attach"
    /// To the leader: gives a place back: the attachment's identifier.
    public static let detach = "leader.detach"
}

/// Which image a host is looking for.
public struct ImageQuestion: Hashable, Sendable, Codable {
    public var reference: String

    public init(reference: String) { self.reference = reference }
}

/// An image that a host has; nil members where it has none.
public struct ImageOffer: Hashable, Sendable, Codable {
    /// The manifest's digest.
    public var digest: Digest?
    /// The manifest's bytes as text.
    public var manifest: String?
    /// The names that the image has there.
    public var references: [String]

    public init(digest: Digest? = nil, manifest: String? = nil, references: [String] = []) {
        self.digest = digest
        self.manifest = manifest
        self.references = references
    }
}

/// A wish for a place on an attachable network.
public struct AttachmentQuestion: Hashable, Sendable, Codable {
    public var nodeID: String
    public var networkID: String
    public var containerID: String
    public var names: [String]
    public var address: IPAddress?

    public init(nodeID: String, networkID: String, containerID: String, names: [String], address: IPAddress? = nil) {
        self.nodeID = nodeID
        self.networkID = networkID
        self.containerID = containerID
        self.names = names
        self.address = address
    }
}

/// Which lines of a task's output are wanted.
public struct TaskLogQuestion: Hashable, Sendable, Codable {
    public var taskID: String
    /// Later ones only.
    public var after: Timestamp?
    /// Only so many of the last ones; nil for all.
    public var tail: Int?

    public init(taskID: String, after: Timestamp?, tail: Int?) {
        self.taskID = taskID
        self.after = after
        self.tail = tail
    }
}

/// Lines of a task's output, oldest first.
public struct TaskLogAnswer: Hashable, Sendable, Codable {
    public struct Line: Hashable, Sendable, Codable {
        public var isError: Bool
        public var time: Timestamp
        public var text: String

        public init(isError: Bool, time: Timestamp, text: String) {
            self.isError = isError
            self.time = time
            self.text = text
        }
    }

    public var lines: [Line]
    /// Whether there are more at once.
    public var hasMore: Bool
    /// Whether more may come.
    public var isRunning: Bool

    public init(lines: [Line], hasMore: Bool, isRunning: Bool) {
        self.lines = lines
        self.hasMore = hasMore
        self.isRunning = isRunning
    }
}
