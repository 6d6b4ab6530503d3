import ClusterModel
import NetworkModel

/// The cluster as its hosts have to know it, in sections, kept from one state to the next: what a change costs is what
/// it concerns.
public struct ClusterView: Sendable {
    /// A section, and how it became what it is.
    private struct Kept {
        let name: SectionName
        private(set) var section: PictureSection
        private var recent: [SectionChange] = []
        // Made once for all hosts.
        private var wholes: [SectionChange]?
        private var parts: PictureParts?

        init(_ name: SectionName, _ section: PictureSection = PictureSection()) {
            (self.name, self.section) = (name, section)
        }

        private var factLimit: Int { name == .host ? ViewLimits.hostFactsAtOnce : ViewLimits.factsAtOnce }

        mutating func change(put: [String: PictureFact], drop: [String]) {
            let from = section.mark
            section.change(put: put, drop: drop)
            (wholes, parts) = (nil, nil)
            recent.append(SectionChange(section: name, from: from, to: section.mark, put: put, drop: drop))
            let limit = name == .host ? ViewLimits.hostChanges : ViewLimits.changes
            if recent.count > limit { recent.removeFirst(recent.count - limit) }
        }

        /// What makes this content of an earlier one, or of none: all of it where the way is not known, or longer.
        mutating func changes(from mark: SectionMark?) -> [SectionChange] {
            if mark == section.mark { return [] }
            if let mark, let first = recent.lastIndex(where: { $0.from == mark }) {
                let changes = recent[first...]
                let count = changes.reduce(0) { $0 + $1.count }
                if count <= section.entries.count, changes.allSatisfy({ $0.count <= factLimit }) {
                    return Array(changes)
                }
            }
            let changes = wholes ?? section.wholes(of: name, limit: factLimit)
            wholes = changes
            return changes
        }

        mutating func makeParts() -> PictureParts {
            let made = parts ?? PictureParts(section)
            parts = made
            return made
        }
    }

    private var facts: ClusterFacts
    private var shared: [SectionName: Kept] = [:]
    private var hosts: [String: Kept] = [:]

    /// The sections that every picture is of, beside the host's own.
    private static let everywhere: Set<SectionName> = [.peers, .attachable, .ingress]

    /// A state's view, which knows of no earlier one.
    public init(_ state: ClusterState) {
        facts = ClusterFacts(state)
        for name in Self.everywhere { shared[name] = Kept(name) }
        for (place, facts) in facts.all { self[place] = Kept(place.section, PictureSection(facts)) }
    }

    /// What it shows.
    public var state: ClusterState { facts.state }

    private subscript(_ place: FactPlace) -> Kept? {
        get {
            switch place {
            case .host(let id): hosts[id]
            case .shared(let name): shared[name]
            }
        }
        _modify {
            switch place {
            case .host(let id): yield &hosts[id]
            case .shared(let name): yield &shared[name]
            }
        }
    }

    // MARK: Hosts

    /// The sections that a node's picture is of; nil where there is no such node.
    public func index(of nodeID: String) -> PictureIndex? {
        guard state.nodes[nodeID] != nil else { return nil }
        var sections: [SectionName: SectionMark] = [.host: hosts[nodeID]?.section.mark ?? .empty]
        func add(_ name: SectionName) { if let kept = shared[name] { sections[name] = kept.section.mark } }
        for name in Self.everywhere { add(name) }
        for task in state.tasks(onNode: nodeID) where task.status.state >= .assigned && task.mayRun {
            for attachment in task.attachments { add(.network(attachment.networkID)) }
        }
        for entry in hosts[nodeID]?.section.entries ?? [] {
            if case .attachment(let attachment) = entry.fact { add(.network(attachment.networkID)) }
        }
        let revision = PlanRevision(history: state.historyID, index: state.index)
        return PictureIndex(revision: revision, nodeID: nodeID, sections: sections)
    }

    /// What makes what a host holds that which it needs, in order.
    public mutating func changes(to index: PictureIndex, from held: [SectionName: SectionMark]) -> [SectionChange] {
        index.sections.keys.sorted().flatMap { name in
            self[place(name, index)]?.changes(from: held[name]) ?? []
        }
    }

    private func place(_ name: SectionName, _ index: PictureIndex) -> FactPlace {
        name == .host ? .host(index.nodeID) : .shared(name)
    }

    /// All that a node has to know; nil where there is no such node.
    public mutating func host(_ nodeID: String) -> HostPicture? {
        guard let index = index(of: nodeID) else { return nil }
        return picture(index)
    }

    mutating func picture(_ index: PictureIndex) -> HostPicture {
        var sections: [SectionName: PictureParts] = [:]
        for name in index.sections.keys { sections[name] = self[place(name, index)]?.makeParts() }
        return HostPicture(index.revision, index.nodeID, sections)
    }

    // MARK: Changes

    /// Whom a step to another state concerns.
    public struct Touched: Hashable, Sendable {
        /// Sections that have changed.
        public var sections: Set<SectionName> = []
        /// Nodes whose own section has changed, or their row in the state.
        public var nodes: Set<String> = []

        /// Nobody.
        public init() {}
    }

    /// Goes on to a later state.
    ///
    /// - Parameter changes: everything that has changed since; nil where that is not known, or where the state is of
    ///   another history.
    public mutating func update(to state: ClusterState, _ changes: [AppliedChange]?) -> Touched {
        guard let changes, !Self.changesPlaces(changes, self.state, state) else { return replace(by: state) }
        var touched = Touched()
        let movesNodes = changes.contains { $0.kind == .node }
        let next = ClusterFacts(state, underlays: movesNodes ? nil : facts.underlays)
        var sources = Self.sources(changes, from: facts, to: next)
        if movesNodes { Self.addMoved(from: facts, to: next, to: &sources) }
        let (before, after) = (facts.facts(of: sources), next.facts(of: sources))
        for place in Set(before.keys).union(after.keys) {
            change(place, from: before[place] ?? [:], to: after[place] ?? [:], &touched)
        }
        for change in changes where change.kind == .node { touched.nodes.insert(change.id) }
        if changes.contains(where: { $0.kind == .network && $0.action != .update }) {
            // Their pictures may be of other sections.
            for source in sources { touched.nodes.formUnion(Self.nodes(of: source, in: [self.state, state])) }
        }
        // Sessions that have no name in the log are over.
        if self.state.namesSessions != state.namesSessions { touched.nodes.formUnion(state.nodes.keys) }
        facts = next
        return touched
    }

    private mutating func replace(by state: ClusterState) -> Touched {
        var touched = Touched()
        touched.nodes = Set(self.state.nodes.keys).union(state.nodes.keys)
        let next = ClusterFacts(state)
        let after = next.all
        let places = Set(shared.keys.map { FactPlace.shared($0) }).union(hosts.keys.map { .host($0) }).union(after.keys)
        for place in places {
            let before = self[place]?.section.entries.map { ($0.key, $0.fact) } ?? []
            change(place, from: Dictionary(uniqueKeysWithValues: before), to: after[place] ?? [:], &touched)
        }
        facts = next
        return touched
    }

    private mutating func change(
        _ place: FactPlace, from before: [String: PictureFact], to after: [String: PictureFact],
        _ touched: inout Touched
    ) {
        let put = after.filter { before[$0.key] != $0.value }
        let drop = before.keys.filter { after[$0] == nil }
        guard !put.isEmpty || !drop.isEmpty else { return }
        switch place {
        case .host(let id): touched.nodes.insert(id)
        case .shared(let section): touched.sections.insert(section)
        }
        var kept = self[place] ?? Kept(place.section)
        self[place] = nil
        kept.change(put: put, drop: drop)
        if !kept.section.entries.isEmpty || Self.everywhere.contains(place.section) { self[place] = kept }
    }

    /// Whether so much may depend on a change that all is looked at anew: the ingress network comes and goes seldom.
    private static func changesPlaces(
        _ changes: [AppliedChange], _ old: ClusterState, _ new: ClusterState
    ) -> Bool {
        guard old.historyID == new.historyID, old.index <= new.index else { return true }
        return changes.contains { change in
            switch change.kind {
            case .network: [old, new].contains { $0.networks[change.id]?.spec.isIngress == true }
            case .cluster: old.cluster == nil || new.cluster == nil
            default: false
            }
        }
    }

    /// Whatever has facts that may be others now.
    private static func sources(
        _ changes: [AppliedChange], from old: ClusterFacts, to new: ClusterFacts
    ) -> Set<FactSource> {
        var sources: Set<FactSource> = []
        let states = [old.state, new.state]
        for change in changes {
            switch change.kind {
            case .cluster:
                sources.insert(.cluster)
                sources.formUnion([old.witness, new.witness].compactMap { $0.map { .node($0) } })
            case .node:
                sources.insert(.node(change.id))
                sources.formUnion([old.witness, new.witness].compactMap { $0.map { .node($0) } })
                if change.action != .update { addRest(of: change.id, in: states, to: &sources) }
            case .service:
                sources.insert(.service(change.id))
                let specs = states.map { $0.services[change.id]?.spec }
                // A task's host knows its service by that.
                guard specs[0]?.name != specs[1]?.name || specs[0]?.labels != specs[1]?.labels else { continue }
                for state in states {
                    sources.formUnion(state.tasks(ofService: change.id).map { .task($0.id) })
                }
            case .task:
                sources.insert(.task(change.id))
                sources.formUnion(states.compactMap { $0.tasks[change.id].map { .service($0.serviceID) } })
            case .network:
                sources.insert(.network(change.id))
                if change.action != .update { addUsers(of: change.id, in: states, to: &sources) }
            case .attachment: sources.insert(.attachment(change.id))
            case .config, .secret: break
            }
        }
        return sources
    }

    /// Nodes that are elsewhere now, and what lies on them.
    private static func addMoved(from old: ClusterFacts, to new: ClusterFacts, to sources: inout Set<FactSource>) {
        for id in Set(old.underlays.keys).union(new.underlays.keys) where old.underlays[id] != new.underlays[id] {
            sources.insert(.node(id))
            addRest(of: id, in: [old.state, new.state], to: &sources)
        }
    }

    /// Where a task or an attachment is.
    private static func nodes(of source: FactSource, in states: [ClusterState]) -> [String] {
        switch source {
        case .task(let id): states.compactMap { $0.tasks[id]?.nodeID }
        case .attachment(let id): states.compactMap { $0.attachments[id]?.nodeID }
        case .cluster, .node, .service, .network: []
        }
    }

    /// What is on a network.
    private static func addUsers(of networkID: String, in states: [ClusterState], to sources: inout Set<FactSource>) {
        for state in states {
            for service in state.services.values
            where service.spec.allNetworks.contains(where: { $0.target == networkID })
                || service.endpoint.virtualIPs.contains(where: { $0.networkID == networkID })
            {
                sources.insert(.service(service.id))
            }
            for task in state.tasks.values where task.attachments.contains(where: { $0.networkID == networkID }) {
                sources.insert(.task(task.id))
            }
            for attachment in state.attachments.values where attachment.networkID == networkID {
                sources.insert(.attachment(attachment.id))
            }
        }
    }

    /// What lies on a node.
    private static func addRest(of nodeID: String, in states: [ClusterState], to sources: inout Set<FactSource>) {
        for state in states {
            sources.formUnion(state.tasks(onNode: nodeID).map { .task($0.id) })
            for attachment in state.attachments.values where attachment.nodeID == nodeID {
                sources.insert(.attachment(attachment.id))
            }
        }
    }
}

/// The bounds of what is kept of pictures, and sent at once.
enum ViewLimits {
    /// Changes of a section that are remembered, for hosts that lag behind.
    static let changes = 64
    /// The same of a host's own section.
    static let hostChanges = 8
    /// Facts in one message, where a section is sent whole.
    static let factsAtOnce = 1_000
    /// The same of a host's own section, whose tasks may be large.
    static let hostFactsAtOnce = 32
}
