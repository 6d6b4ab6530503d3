import Values

/// All names that a host's sandboxes can ask for, at one revision.
public struct DNSPicture: Hashable, Sendable, Codable {
    /// How long an answer about a cluster's name may be kept. Withdrawing an endpoint waits this long after the last
    /// host's receipt.
    public static let timeToLiveSeconds: UInt32 = 1

    public var revision: PlanRevision
    public var sandboxes: [SandboxNames]
    /// By network.
    public var zones: [String: DNSZone]

    public init(revision: PlanRevision, sandboxes: [SandboxNames] = [], zones: [String: DNSZone] = [:]) {
        self.revision = revision
        self.sandboxes = sandboxes
        self.zones = zones
    }
}

/// The names of one network: services, `tasks.<service>`, containers and their aliases, in lower case without a dot at
/// the end.
public struct DNSZone: Hashable, Sendable, Codable {
    /// The network's name: `<name>.<network>` is answered too (Docker).
    public var network: String
    public var names: [String: [IPAddress]]
    /// Answers to reverse questions: an address's text to a name.
    public var pointers: [String: String]

    public init(network: String, names: [String: [IPAddress]] = [:], pointers: [String: String] = [:]) {
        self.network = network
        self.names = names
        self.pointers = pointers
    }
}

/// One sandbox's view: which zones it sees and whom it asks for the rest.
public struct SandboxNames: Hashable, Sendable, Codable {
    public let id: String
    /// The namespace in which 127.0.0.11 answers.
    public var namespacePath: String
    /// The networks that it is in, in the order in which they are asked.
    public var networks: [String]
    /// Asked for names of no network. Without any, such names do not exist.
    public var upstreamServers: [IPAddress]
    /// Search domains, for resolv.conf; the server itself takes names as they come.
    public var searchDomains: [String]
    /// Names that this sandbox alone knows: `--link` aliases, network-scoped aliases of its own.
    public var ownNames: [String: [IPAddress]]

    public init(
        id: String, namespacePath: String, networks: [String], upstreamServers: [IPAddress] = [],
        searchDomains: [String] = [], ownNames: [String: [IPAddress]] = [:]
    ) {
        self.id = id
        self.namespacePath = namespacePath
        self.networks = networks
        self.upstreamServers = upstreamServers
        self.searchDomains = searchDomains
        self.ownNames = ownNames
    }
}
