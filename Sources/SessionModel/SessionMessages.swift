import ClusterModel
import JSON
import NetworkModel
import Values

/// What an agent says to its manager in a session, in order.
public enum AgentMessage: Hashable, Sendable, Codable {
    /// The first message.
    case hello(AgentHello)
    /// What became of tasks.
    case report([TaskObservation])
    /// What the host's data plane holds; repeated when a session opens.
    case receipt(HostReceipt)
    /// It still lives; sent every `SessionTiming.heartbeatNanoseconds`.
    case heartbeat
}

/// How an agent introduces its host.
public struct AgentHello: Hashable, Sendable, Codable {
    public var description: NodeDescription
    /// New at every boot of the host.
    public var bootID: String
    /// The newest picture that the host has had; nil for none, and from agents that do not say it.
    public var known: PlanRevision?
    /// The sections of pictures that it holds; nil from agents that take whole pictures alone.
    public var sections: [SectionName: SectionMark]?

    public init(
        description: NodeDescription, bootID: String, known: PlanRevision? = nil,
        sections: [SectionName: SectionMark]? = nil
    ) {
        self.description = description
        self.bootID = bootID
        self.known = known
        self.sections = sections
    }
}

/// That a host's kernel holds a picture's data plane, or why not.
public struct HostReceipt: Hashable, Sendable, Codable {
    public var revision: PlanRevision
    /// nil where it was applied and read back.
    public var failure: String?

    public init(revision: PlanRevision, failure: String? = nil) {
        self.revision = revision
        self.failure = failure
    }
}

/// What a manager says to an agent.
public enum ManagerMessage: Hashable, Sendable, Codable {
    /// All that concerns the host, at a revision; it replaces what came before. For agents that know no sections.
    case picture(HostPicture)
    /// How a section of the host's picture changes; it counts with the next `turn`.
    case section(SectionChange)
    /// All that concerns the host, at a revision, is in the sections that it has now.
    case turn(PictureIndex)
    /// Nothing that concerns the host has changed up to this revision. Said by managers of the first versions alone.
    case unchanged(PlanRevision)
    case heartbeat
}

/// The times of sessions, in nanoseconds.
public enum SessionTiming {
    public static let heartbeatNanoseconds: Int64 = 1_000_000_000
    /// A node that was not heard for so long is down.
    public static let leaseNanoseconds: Int64 = 5_000_000_000
    /// Changes within so long go out together.
    public static let mergeNanoseconds: Int64 = 20_000_000
    /// A manager tells the leader at least so often which hosts it has heard.
    public static let reportNanoseconds: Int64 = 250_000_000
    /// A manager that could tell the leader nothing for so long ends its sessions: their hosts look for another one
    /// before the leader takes them for dead.
    public static let orphanNanoseconds: Int64 = 2_000_000_000
}

/// The bounds of sessions.
public enum SessionLimits {
    /// Messages that wait to be taken in; a peer that sends more loses its session and begins a new one.
    public static let waitingMessages = 4096
}

extension AgentMessage {
    public func encoded() throws -> [UInt8] { try JSONCoding.encode(self) }
    public init(decoding bytes: [UInt8]) throws(JSONError) { self = try JSONCoding.decode(Self.self, from: bytes) }
}

extension ManagerMessage {
    public func encoded() throws -> [UInt8] { try JSONCoding.encode(self) }
    public init(decoding bytes: [UInt8]) throws(JSONError) { self = try JSONCoding.decode(Self.self, from: bytes) }
}
