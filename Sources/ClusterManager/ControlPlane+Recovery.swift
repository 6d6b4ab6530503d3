import ClusterModel
import ClusterStore
import EngineModel
import LinuxSystem
import RaftNode
import SessionModel
import Values

/// What a manager would go on with alone, and what could be lost by that.
public struct RecoveryReport: Hashable, Sendable {
    /// Another manager, and when this one heard from it last.
    public struct Manager: Hashable, Sendable {
        public var nodeID: String
        public var hostname: String
        public var address: String
        /// nil: not since this daemon started.
        public var lastHeard: Timestamp?
        /// Whether it is heard now, as far as the leader or this manager knows.
        public var isReachable: Bool
    }

    public var nodeID: String
    /// The last entry of this manager's log and of what it knows to be committed; its term.
    public var lastIndex: UInt64
    public var committedIndex: UInt64
    public var term: UInt64
    /// The last entry's time, as far as it is applied.
    public var time: Timestamp
    /// Since when this daemon can have heard of others.
    public var startedAt: Timestamp
    public var managers: [Manager]
    /// Whether there is a leader: then nothing has to be recovered.
    public var hasLeader: Bool
}

extension ControlPlane {
    /// What a recovery on this manager would go on with; it needs no leader.
    public func recoveryReport() async throws(EngineError) -> RecoveryReport {
        let manager = try manager()
        let status = manager.raft.status
        let state = manager.store.state
        let (heard, startedAt) = shared.withLock { ($0.managersHeard, $0.startedAt) }
        let own = status.member?.nodeID ?? ""
        return RecoveryReport(
            nodeID: own, lastIndex: status.lastIndex, committedIndex: status.committedIndex, term: status.term,
            time: state.time, startedAt: startedAt,
            managers: status.members.filter { $0.member.nodeID != own }.map { member in
                let id = member.member.nodeID
                let isRecent = heard[id].map { Clock.now().nanoseconds(since: $0) < Self.silence } ?? false
                return RecoveryReport.Manager(
                    nodeID: id, hostname: state.nodes[id]?.hostname ?? "", address: member.member.address,
                    lastHeard: heard[id], isReachable: isRecent)
            }, hasLeader: status.leader != nil)
    }

    /// A manager from which nothing came for so long is taken for unreachable, in nanoseconds.
    private static let silence: Int64 = 3_000_000_000

    /// A manager said something.
    func heard(manager id: String) { shared.withLock { $0.managersHeard[id] = Clock.now() } }

    /// Makes this manager the only one, with the log that it has (Docker: `swarm init --force-new-cluster`).
    ///
    /// - Parameter address: a new address to advertise; the old one where it is empty.
    public func recover(advertiseAddr: String = "", listenAddr: String = "") async throws(EngineError) -> String {
        do {
            return try await transitions.pass {
                try await self.renewAlone(advertiseAddr: advertiseAddr, listenAddr: listenAddr)
            }
        } catch {
            throw EngineError(any: error)
        }
    }

    func renewAlone(advertiseAddr: String, listenAddr: String) async throws -> String {
        guard var record = shared.withLock(\.record), record.isOpen else { throw EngineError.notManager }
        let (lock, isLocked) = shared.withLock { ($0.lock, $0.isLocked) }
        if isLocked { throw EngineError.locked }
        guard record.isManager, record.raftMember != 0 else { throw EngineError.workerOnly }
        let before = record
        if !advertiseAddr.isEmpty {
            (record.address, record.port) = try HostAddresses.advertised(
                advertiseAddr, listen: listenAddr, defaultPort: record.port)
        }
        var generator = SystemRandomNumberGenerator()
        record.raftMember = RaftMember.newID(using: &generator)
        record.history = Identifiers.swarm(using: &generator)
        record.managers = [PeerAddress(nodeID: record.nodeID, address: record.clusterAddress, isManager: true)]
        let disks = try ManagerDisks(databaseKeys())
        await stopParts()
        var failure: (any Error)?
        do {
            // An earlier attempt may have come so far that it can only be ended.
            if let begun = try begunRenewal(disks) {
                record = begun
            } else {
                // Whatever ends this host's part from here on, the next start knows what was begun.
                try record.save(directory: directory, named: NodeRecord.renewalName)
                let store = try openStore(disks)
                _ = try RaftNode.refound(
                    directory: directory, as: record.ownMember, stateMachine: store, on: disks.log)
                store.close()
            }
        } catch {
            failure = error
        }
        try await resume(before, unlockKey: lock.key)
        guard shared.withLock({ $0.record?.history }) == record.history else { throw failure ?? EngineError.noLeader }
        logger.warning("this manager goes on alone", metadata: ["node": "\(record.nodeID)"])
        try await waitUntilLeading()
        return record.nodeID
    }

    private func openStore(_ disks: ManagerDisks) throws -> ClusterStore {
        try ClusterStore(
            directory: directory, on: disks.state, supported: configuration.supportedVersions, logger: logger)
    }

    /// Goes on with what `renewAlone` has begun, before raft leads: as soon as its log is the new group's, nothing of
    /// it may be told in the old history, in which the other managers may live. Returns the record that counts.
    func finishRenewal(of record: NodeRecord) async throws -> NodeRecord {
        let path = directory + "/" + NodeRecord.renewalName
        guard Files.exists(path) else { return record }
        let disks = try ManagerDisks(databaseKeys())
        guard let renewed = try begunRenewal(disks) else {
            try Files.removeTree(path)
            return record
        }
        let store = try openStore(disks)
        try await renew(
            directory, renewed, store, on: disks.log, isFreshHost: false,
            note: "recovered from the loss of the other managers")
        try adopt(renewed)
        try Files.removeTree(path)
        return renewed
    }

    /// The record to which raft's log belongs already although it does not count yet; nil where there is none.
    private func begunRenewal(_ disks: ManagerDisks) throws -> NodeRecord? {
        let renewed = try NodeRecord.load(directory: directory, named: NodeRecord.renewalName)
        guard let renewed, try RaftNode.member(in: directory, on: disks.log)?.id == renewed.raftMember else {
            return nil
        }
        return renewed
    }
}
