import ClusterModel
import ClusterPKI
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import Logging
import RaftNode
import SessionModel
import Values

/// A node that says where it is reached now.
struct AddressAnnouncement: Hashable, Codable {
    /// `address:port`.
    var address: String
}

extension ControlPlane {
    /// Between two looks at this host's addresses.
    private static let addressPause: Duration = .seconds(1)
    /// How long an interface may be without an address before another one's counts, in nanoseconds.
    private static let addressPatienceNanoseconds: Int64 = 30_000_000_000
    /// How long a peer may take to hear of an address.
    static let announcementTimeout: Duration = .seconds(2)

    /// Follows the host's addresses, and tells the managers as long as they know another one; as long as the daemon
    /// runs. A node is who its certificate says, wherever it is.
    func keepAddress() async {
        var goneSince: Int64?
        while (try? await Task.sleep(for: Self.addressPause)) != nil {
            guard let record = shared.withLock(\.record), record.isOpen, !record.address.isEmpty else { continue }
            let now = Clock.sinceBoot()
            let change = AddressChange.decide(
                recorded: record.address, interface: record.interface, present: HostAddresses.candidates(),
                route: otherManagers(record).lazy.compactMap { HostAddresses.source(towards: $0.address.host) }.first,
                isPatient: goneSince.map { now - $0 < Self.addressPatienceNanoseconds } ?? true)
            if change == .gone { goneSince = goneSince ?? now } else { goneSince = nil }
            do { try await transitions.pass { try self.take(change, over: record) } } catch {
                logger.error("this host's new address could not be noted", metadata: ["reason": "\(error)"])
            }
            await announceAddress()
        }
    }

    private func take(_ change: AddressChange, over record: NodeRecord) throws {
        try remember { current in
            guard current.nodeID == record.nodeID, current.address == record.address else { return }
            switch change {
            case .stays(let interface): current.interface = interface
            case .moved(let address, let interface):
                logger.notice(
                    "this host's address has changed", metadata: ["old": "\(record.address)", "new": "\(address)"])
                current.address = address
                current.interface = interface
            case .gone: break
            }
        }
    }

    private func otherManagers(_ record: NodeRecord) -> [ClusterPeer] {
        record.managers.filter { $0.nodeID != record.nodeID }.compactMap { manager in
            ClusterAddress(parsing: manager.address).map { ClusterPeer(nodeID: manager.nodeID, address: $0) }
        }
    }

    /// Tells every manager where this host is, where the cluster's state says something else.
    private func announceAddress() async {
        let (record, manager, known) = shared.withLock { ($0.record, $0.manager, $0.knownAddress) }
        guard let record, record.isOpen else { return }
        let told = manager?.store.state.nodes[record.nodeID]?.clusterAddress ?? known
        guard let told, !told.isEmpty, told != record.clusterAddress,
            let payload = try? JSONCoding.encode(AddressAnnouncement(address: record.clusterAddress))
        else { return }
        if manager?.isLeading == true {
            _ = try? await answer(ClusterMethodNames.address, payload, from: nil)
            return
        }
        await withTaskGroup(of: Void.self) { group in
            for peer in otherManagers(record) {
                group.addTask {
                    do {
                        let answer = try await self.connector.call(
                            ClusterMethodNames.address, payload, to: peer, timeout: Self.announcementTimeout)
                        try self.note(JSONCoding.decode(ManagerAddresses.self, from: answer))
                    } catch {
                        self.logger.debug(
                            "a manager could not be told of this host's address",
                            metadata: ["peer": "\(peer)", "reason": "\(error)"])
                    }
                }
            }
        }
    }

    // MARK: Hearing of addresses

    /// A node says where it is reached now. Every manager uses it for raft's messages at once, since there may be no
    /// majority without it; the leader writes it down for all. The answer says where the managers are, so that one that
    /// moved finds a leader that moved.
    func noteAddress(_ announcement: AddressAnnouncement, of id: String) async throws -> [UInt8] {
        guard let manager = shared.withLock(\.manager) else { throw EngineError.workerOnly }
        guard let address = ClusterAddress(parsing: announcement.address), IPAddress(address.host) != nil else {
            throw EngineError(.invalidParameter, "node \(id) has no valid address: \"\(announcement.address)\"")
        }
        manager.note(announcement.address, of: id)
        let answer = try JSONCoding.encode(manager.store.state.managerAddresses)
        guard manager.isLeading, var node = manager.store.state.nodes[id] else { return answer }
        for var member in manager.raft.status.members.map(\.member) where member.nodeID == id {
            guard member.address != announcement.address else { continue }
            member.address = announcement.address
            try await manager.raft.addLearner(member)
        }
        // A manager's row follows raft (LeaderLoop.noteMembers).
        guard node.raftMember == nil, node.clusterAddress != announcement.address else { return answer }
        node.clusterAddress = announcement.address
        node.status.addr = address.host
        try await manager.proposeHere(
            [.putNode(node, expected: node.version.index)], by: .node(id: id, client: nil), note: "address changed")
        return answer
    }

    /// The leader, which does not hear this host, says where the managers are: they may have moved since.
    func noteManagers(_ list: ManagerAddresses, from peer: PeerIdentity) throws -> [UInt8] {
        let known = shared.withLock { $0.record?.managers ?? [] }
        guard peer.role == .manager, known.contains(where: { $0.nodeID == peer.nodeID }) else {
            throw EngineError(.forbidden, "node \(peer.nodeID) is not known as a manager")
        }
        try note(list)
        return []
    }

    private func note(_ list: ManagerAddresses) throws {
        let (record, manager, witness) = shared.withLock { ($0.record, $0.manager, $0.witness) }
        guard let record, record.believes(list) else { return }
        for other in list.managers where other.nodeID != record.nodeID {
            manager?.note(other.address, of: other.nodeID)
            witness?.note(other.address, of: other.nodeID)
        }
        try remember { if $0.believes(list) { $0.managers = list.managers } }
    }
}

extension ClusterState {
    /// The nodes that are members of raft, and where.
    var managerAddresses: ManagerAddresses {
        let managers = nodes.values.filter { $0.raftMember != nil }.sorted { $0.id < $1.id }
        return ManagerAddresses(
            history: cluster?.historyID ?? "",
            managers: managers.map { PeerAddress(nodeID: $0.id, address: $0.clusterAddress, isManager: true) })
    }
}
