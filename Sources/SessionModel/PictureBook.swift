import ClusterModel
import NetworkModel
import Values

/// The sections that a host's picture is of, and their contents, at a revision.
public struct PictureIndex: Hashable, Sendable, Codable {
    public var revision: PlanRevision
    public var nodeID: String
    public var sections: [SectionName: SectionMark]

    /// An index of these sections.
    public init(revision: PlanRevision, nodeID: String, sections: [SectionName: SectionMark]) {
        self.revision = revision
        self.nodeID = nodeID
        self.sections = sections
    }
}

/// What a host was told, section by section. It outlives sessions: in the next one, with whatever manager, only what
/// has changed since is told.
struct PictureBook: Sendable {
    private var sections: [SectionName: PictureSection] = [:]

    var marks: [SectionName: SectionMark] { sections.mapValues(\.mark) }

    /// Takes a change of one section over; it counts with the next index.
    mutating func take(_ change: SectionChange) throws(SectionMismatch) {
        try sections[change.section, default: PictureSection()].apply(change)
    }

    /// The picture that an index names. Other sections are forgotten.
    mutating func turn(to index: PictureIndex) throws(SectionMismatch) -> HostPicture {
        for (section, mark) in index.sections {
            guard sections[section]?.mark ?? .empty == mark else { throw SectionMismatch(section: section) }
        }
        sections = sections.filter { index.sections[$0.key] != nil }
        return HostPicture(index.revision, index.nodeID, sections.mapValues(PictureParts.init))
    }
}

/// A host's reading of what managers say: sections come in, pictures go out. It outlives sessions.
public struct PictureReader: Sendable {
    private var book = PictureBook()
    /// Until a message cannot be read, or sections do not lead to what the manager says they do, as where its program
    /// knows more than this one: from then on whole pictures are asked for.
    private var takesSections = true

    /// A host that was told nothing yet.
    public init() {}

    /// What is to be said instead of a message of the agent's.
    public func complete(_ message: AgentMessage) -> AgentMessage {
        guard case .hello(var hello) = message, takesSections else { return message }
        hello.sections = book.marks
        return .hello(hello)
    }

    /// What a message says to the agent; nil where that comes with a later one.
    ///
    /// - Throws: where the session is of no more use: a `JSONError` or a `SectionMismatch`.
    public mutating func read(_ bytes: [UInt8]) throws -> ManagerMessage? {
        let message: ManagerMessage
        do { message = try ManagerMessage(decoding: bytes) } catch {
            takeNoSections()
            throw error
        }
        return try read(message)
    }

    /// The same of a message that was decoded.
    public mutating func read(_ message: ManagerMessage) throws(SectionMismatch) -> ManagerMessage? {
        do { return try take(message) } catch {
            takeNoSections()
            throw error
        }
    }

    private mutating func takeNoSections() { (takesSections, book) = (false, PictureBook()) }

    private mutating func take(_ message: ManagerMessage) throws(SectionMismatch) -> ManagerMessage? {
        switch message {
        case .section(let change):
            try book.take(change)
            return nil
        case .turn(let index): return .picture(try book.turn(to: index))
        case .picture, .unchanged, .heartbeat: return message
        }
    }
}

/// A section's facts as parts of a picture, lists in the order of their keys.
struct PictureParts: Sendable {
    private(set) var host: HostFact?
    private(set) var tasks: [AssignedTask] = []
    private(set) var attachments: [AttachmentObject] = []
    private(set) var peers: [PeerAddress] = []
    private(set) var attachable: [NetworkObject] = []
    private(set) var ingress: IngressPlan?
    private(set) var overlay: OverlayNetwork?
    private(set) var services: [VirtualService] = []
    private(set) var zone = DNSZone(network: "")

    init(_ section: PictureSection) {
        var (ingress, hasIngress) = (IngressPlan(hosts: []), false)
        for entry in section.entries {
            switch entry.fact {
            case .host(let host): self.host = host
            case .task(let task): tasks.append(task)
            case .attachment(let attachment): attachments.append(attachment)
            case .peer(let peer): peers.append(peer)
            case .attachable(let network): attachable.append(network)
            case .ingressPool(let pool): (ingress.pool, hasIngress) = (pool, true)
            case .ingressHost(let host): ingress.hosts.append(host)
            case .ingressPort(let port): ingress.ports.append(port)
            case .ingressEndpoint(let address): ingress.endpoints.append(address)
            case .overlay(let network):
                overlay = network
                zone.network = network.name.lowercased()
            case .endpoint(let endpoint): overlay?.endpoints.append(endpoint)
            case .service(let service): services.append(service)
            case .name(let name, let addresses): zone.names[name, default: []] += addresses
            case .pointer(let address, let name): zone.pointers[address] = name
            }
        }
        if hasIngress { self.ingress = ingress }
    }
}

extension HostPicture {
    /// A picture from its sections' parts.
    init(_ revision: PlanRevision, _ nodeID: String, _ sections: [SectionName: PictureParts]) {
        let host = sections[.host]
        var network = HostNetworkPlan(
            revision: revision, nodeID: nodeID, underlay: host?.host?.underlay ?? .v4Unspecified,
            ingress: sections[.ingress]?.ingress)
        var zones: [String: DNSZone] = [:]
        for name in sections.keys.sorted() {
            guard let parts = sections[name], let overlay = parts.overlay else { continue }
            network.networks.append(overlay)
            network.services += parts.services
            zones[overlay.id] = parts.zone
        }
        self.init(
            revision: revision, nodeID: nodeID, role: host?.host?.role ?? .worker, tasks: host?.tasks ?? [],
            network: network, zones: zones, networks: sections[.attachable]?.attachable ?? [],
            attachments: host?.attachments ?? [], peers: sections[.peers]?.peers ?? [])
        if host?.host?.isWitness == true { isWitness = true }
    }
}
