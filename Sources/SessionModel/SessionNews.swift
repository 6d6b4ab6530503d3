/// What a manager that serves sessions tells the leader of them. Reports of one server count in the order of their
/// numbers; one that comes late says nothing new.
public struct SessionReport: Hashable, Sendable, Codable {
    /// Names this life of the manager's session server: what an earlier life said of its sessions is void.
    public var server: String
    /// Rises with each report of the server.
    public var number: UInt64
    /// The term of the leader that it is meant for.
    public var term: UInt64
    /// The revision up to which the server has looked for what its hosts have to be told.
    public var through: UInt64
    /// Sessions that were heard since the last report, or of which something else is new.
    public var news: [SessionNews]

    public init(server: String, number: UInt64, term: UInt64, through: UInt64, news: [SessionNews]) {
        self.server = server
        self.number = number
        self.term = term
        self.through = through
        self.news = news
    }
}

/// What is new of one session.
public struct SessionNews: Hashable, Sendable, Codable {
    public var nodeID: String
    /// As `NodeObject.session` names it.
    public var session: String
    /// Whether the host has said anything since the last report.
    public var isHeard: Bool
    public var holding: Holding

    public init(nodeID: String, session: String, isHeard: Bool, holding: Holding) {
        self.nodeID = nodeID
        self.session = session
        self.isHeard = isHeard
        self.holding = holding
    }
}

/// What a host's data plane is known to hold.
public enum Holding: Hashable, Sendable, Codable {
    /// Everything up to the revision that its server has looked through, and all later ones until other news come.
    case current
    /// Everything up to a revision.
    case upTo(UInt64)
    /// Nothing is known: it has said nothing, it has failed, or its session is over.
    case unknown
}
