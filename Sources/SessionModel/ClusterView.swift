import ClusterModel
import NetworkModel

/// The cluster as its hosts have to know it, in sections, kept from one state to the next: what a change costs is what
/// it concerns.
public struct ClusterView: Sendable {
    /// A section, and how it became what it is.
    private struct Kept {
        var section = PictureSection()
        private(set) var recent: [SectionChange] = []

        mutating func change(_ name: SectionName, put: [String: PictureFact], drop: [String]) {
            let from = section.mark
            for key in drop { section.drop(key) }
            for (key, fact) in put { section.put(key, fact) }
            recent.append(SectionChange(section: name, from: from, to: section.mark, put: put, drop: drop))
            let limit = name == .host ? ViewLimits.hostChanges : ViewLimits.changes
            if recent.count > limit { recent.removeFirst(recent.count - limit) }
        }

        /// What leads from an earlier content to this one; nil where that is not known, or longer than all of it.
        func changes(from mark: SectionMark) -> ArraySlice<SectionChange>? {
            if mark == section.mark { return [] }
            guard let first = recent.lastIndex(where: { $0.from == mark }) else { return nil }
            let changes = recent[first...]
            return changes.reduce(0) { $0 + $1.count } <= section.facts.count ? changes : nil
        }
    }

    private var facts: ClusterFacts
    private var shared: [SectionName: Kept] = [:]
    private var hosts: [String: Kept] = [:]

    public init(_ state: ClusterState) {
        facts = ClusterFacts(state)
        for (place, facts) in facts.all { self[place] = Kept(section: PictureSection(facts)) }
    }

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
        for name in [SectionName.peers, .attachable, .ingress] { add(name) }
        for task in state.tasks(onNode: nodeID) where task.status.state >= .assigned && task.mayRun {
            for attachment in task.attachments { add(.network(attachment.networkID)) }
        }
        for (_, fact) in hosts[nodeID]?.section.facts ?? [] {
            if case .attachment(let attachment) = fact { add(.network(attachment.networkID)) }
        }
        let revision = PlanRevision(history: state.historyID, index: state.index)
        return PictureIndex(revision: revision, nodeID: nodeID, sections: sections)
    }

    /// What makes what a host holds that which it needs, in order.
    public func changes(
        to index: PictureIndex, from held: [SectionName: SectionMark]
    ) -> [SectionChange] {
        var changes: [SectionChange] = []
        for name in index.sections.keys.sorted() {
            guard let kept = name == .host ? hosts[index.nodeID] : shared[name] else { continue }
            if let mark = held[name], let known = kept.changes(from: mark) {
                changes += known
            } else {
                let limit = name == .host ? ViewLimits.hostFactsAtOnce : ViewLimits.factsAtOnce
                changes += kept.section.wholes(of: name, limit: limit)
            }
        }
        return changes
    }

    /// All that a node has to know; nil where there is no such node.
    public func host(_ nodeID: String) -> HostPicture? { index(of: nodeID).map(picture) }

    func picture(_ index: PictureIndex) -> HostPicture {
        var sections: [SectionName: PictureSection] = [:]
        for name in index.sections.keys {
            sections[name] = name == .host ? hosts[index.nodeID]?.section : shared[name]?.section
        }
        return HostPicture(index.revision, index.nodeID, sections)
    }

    // MARK: Changes

    /// Whom a step to another state concerns.
    public struct Touched: Hashable, Sendable {
        /// Sections that have changed.
        public var sections: Set<SectionName> = []
        /// Nodes whose own section has changed, or their row in the state.
        public var nodes: Set<String> = []

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
            let before = self[place]?.section.facts.map { ($0.key, $0.fact) } ?? []
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
        let name: SectionName
        switch place {
        case .host(let id):
            touched.nodes.insert(id)
            name = .host
        case .shared(let section):
            touched.sections.insert(section)
            name = section
        }
        var kept = self[place] ?? Kept()
        self[place] = nil
        kept.change(name, put: put, drop: drop)
        if !kept.section.facts.isEmpty { self[place] = kept }
    }

    /// Whether so much may depend on a change that all is looked at anew: networks come and go seldom.
    private static func changesPlaces(
        _ changes: [AppliedChange], _ old: ClusterState, _ new: ClusterState
    ) -> Bool {
        guard old.historyID == new.historyID, old.index <= new.index else { return true }
        return changes.contains { change in
            switch change.kind {
            case .network: change.action != .update || new.networks[change.id]?.spec.isIngress == true
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
            case .network: sources.insert(.network(change.id))
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
