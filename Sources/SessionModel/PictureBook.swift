import ClusterModel
import NetworkModel
import Values

/// The sections that a host's picture is of, and their contents, at a revision.
public struct PictureIndex: Hashable, Sendable, Codable {
    public var revision: PlanRevision
    public var nodeID: String
    public var sections: [SectionName: SectionMark]

    public init(revision: PlanRevision, nodeID: String, sections: [SectionName: SectionMark]) {
        self.revision = revision
        self.nodeID = nodeID
        self.sections = sections
    }
}

/// What a host was told, section by section. It outlives sessions: in the next one, with whatever manager, only what
/// has changed since is told.
public struct PictureBook: Sendable {
    private var sections: [SectionName: PictureSection] = [:]

    public init() {}

    public var marks: [SectionName: SectionMark] { sections.mapValues(\.mark) }

    /// Takes a change of one section over; it counts with the next index.
    public mutating func take(_ change: SectionChange) throws(SectionMismatch) {
        try sections[change.section, default: PictureSection()].apply(change)
    }

    /// The picture that an index names. Other sections are forgotten.
    public mutating func turn(to index: PictureIndex) throws(SectionMismatch) -> HostPicture {
        for (section, mark) in index.sections {
            guard sections[section]?.mark ?? .empty == mark else { throw SectionMismatch(section: section) }
        }
        sections = sections.filter { index.sections[$0.key] != nil }
        return HostPicture(index.revision, index.nodeID, sections)
    }
}

/// A host's reading of what managers say: sections come in, pictures go out. It outlives sessions.
public struct PictureReader: Sendable {
    private var book = PictureBook()
    /// Until sections do not lead to what the manager says they do, as where its program knows more than this one: from
    /// then on whole pictures are asked for.
    private var takesSections = true

    public init() {}

    /// What is to be said instead of a message of the agent's.
    public func complete(_ message: AgentMessage) -> AgentMessage {
        guard case .hello(var hello) = message, takesSections else { return message }
        hello.sections = book.marks
        return .hello(hello)
    }

    /// What a message says to the agent; nil where that comes with a later one.
    ///
    /// - Throws: where the session is of no more use.
    public mutating func read(_ message: ManagerMessage) throws(SectionMismatch) -> ManagerMessage? {
        do throws(SectionMismatch) {
            switch message {
            case .section(let change):
                try book.take(change)
                return nil
            case .turn(let index): return .picture(try book.turn(to: index))
            case .picture, .unchanged, .heartbeat: return message
            }
        } catch {
            (takesSections, book) = (false, PictureBook())
            throw error
        }
    }
}

extension HostPicture {
    /// A picture from its sections, in which lists are in the order of their facts' keys.
    init(_ revision: PlanRevision, _ nodeID: String, _ sections: [SectionName: PictureSection]) {
        self.init(
            revision: revision, nodeID: nodeID, role: .worker, tasks: [],
            network: HostNetworkPlan(revision: revision, nodeID: nodeID, underlay: .v4Unspecified), zones: [:],
            networks: [], attachments: [], peers: [])
        var ingress = IngressPlan(hosts: [])
        var hasIngress = false
        for (_, section) in sections.sorted(by: { $0.key < $1.key }) {
            var overlay: OverlayNetwork?
            var zone = DNSZone(network: "")
            for (_, fact) in section.facts {
                switch fact {
                case .host(let host):
                    role = host.role
                    if host.isWitness { isWitness = true }
                    network.underlay = host.underlay
                case .task(let task): tasks.append(task)
                case .attachment(let attachment): attachments.append(attachment)
                case .peer(let peer): peers.append(peer)
                case .attachable(let object): networks.append(object)
                case .ingressPool(let pool): (ingress.pool, hasIngress) = (pool, true)
                case .ingressHost(let host): ingress.hosts.append(host)
                case .ingressPort(let port): ingress.ports.append(port)
                case .ingressEndpoint(let address): ingress.endpoints.append(address)
                case .overlay(let network):
                    overlay = network
                    zone.network = network.name.lowercased()
                case .endpoint(let endpoint): overlay?.endpoints.append(endpoint)
                case .service(let service): network.services.append(service)
                case .name(let name, let addresses): zone.names[name, default: []] += addresses
                case .pointer(let address, let name): zone.pointers[address] = name
                }
            }
            if let overlay {
                network.networks.append(overlay)
                zones[overlay.id] = zone
            }
        }
        if hasIngress { network.ingress = ingress }
    }
}
