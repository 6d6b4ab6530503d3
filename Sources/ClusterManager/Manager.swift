import ClusterModel
import ClusterRPC
import ClusterStore
import DatabaseCipher
import EngineModel
import JSON
import LinuxSystem
import Logging
import RaftNode
import SessionModel
import Synchronization
import Values

/// The manager on this host: its copy of the state, its place in raft, and the leader's work while it leads.
final class Manager: Sendable {
    let store: ClusterStore
    let raft: RaftNode
    let sessions: SessionServer
    /// Reads the past and makes copies.
    let reader: StateReader
    /// Runs statements of clients, which may take a while.
    let queries: StateReader
    /// Under which its databases were opened, and where they lie.
    let databaseKeys: DatabaseKeys
    private let disks: ManagerDisks
    private let snapshotDirectory: String
    /// Which versions the programs of the managers support.
    let survey: ManagerSurvey
    let gate = SharedVersionGate()
    private let channels: RaftChannels
    let connector: ClusterConnector
    private let logger: Logger
    private let leading = Mutex<(term: UInt64, task: Task<Void, Never>)?>(nil)
    private let watching = Mutex<[Task<Void, Never>]>([])

    /// - Parameter keys: of this host's databases.
    init(
        directory: String, keys: DatabaseKeys, versions: ManagerVersions, entriesPerSnapshot: UInt64?,
        connector: ClusterConnector, logger: Logger
    ) throws {
        self.logger = logger
        self.connector = connector
        databaseKeys = keys
        disks = try ManagerDisks(keys)
        snapshotDirectory = directory + "/snapshots"
        store = try ClusterStore(
            directory: directory, on: disks.state, supported: versions.supported, logger: logger)
        channels = RaftChannels(connector: connector, logger: logger)
        raft = try RaftNode(
            directory: directory, transport: channels, stateMachine: store, entriesPerSnapshot: entriesPerSnapshot,
            on: disks.log, logger: logger)
        sessions = SessionServer(store: store, logger: logger)
        survey = ManagerSurvey(versions: versions, raft: raft, connector: connector)
        reader = StateReader(store: store)
        queries = StateReader(store: store)
    }

    /// Follows who leads, and does the leader's work when it is this host.
    ///
    /// - Parameter keeping: what else is to be done as long as this manager works, until it is cancelled.
    func start(_ keeping: @escaping @Sendable () async -> Void) {
        guard watching.withLock({ $0.isEmpty }) else { return }
        let following = Task { [weak self, raft] in
            for await status in raft.statusChanges() {
                guard let self else { return }
                self.follow(status)
            }
        }
        watching.withLock {
            $0 = [
                following, Task { await keeping() }, Task { await self.sessions.informAll() },
                Task { await SessionRelay(manager: self).run() },
            ]
        }
    }

    private func follow(_ status: RaftStatus) {
        channels.keep(status.peers)
        if let failure = status.failure { logger.critical("raft has stopped", metadata: ["reason": "\(failure)"]) }
        leading.withLock { leading in
            if let (term, task) = leading, !status.isLeading || term != status.term {
                logger.info("this manager leads no more", metadata: ["term": "\(term)"])
                task.cancel()
                sessions.leadNoMore()
                leading = nil
            }
            sessions.reportSoon()
            guard status.isLeading, leading == nil else { return }
            sessions.lead(in: status.term)
            logger.info("this manager leads", metadata: ["term": "\(status.term)"])
            let loop = LeaderLoop(
                proposer: proposer, sessions: sessions, connector: connector, survey: survey, gate: gate,
                term: status.term, logger: logger)
            leading = (status.term, Task { await loop.run() })
        }
    }

    func stop() async {
        let tasks = watching.withLock { $0 }
        for task in tasks { task.cancel() }
        let leader = leading.withLock { leading in
            defer { leading = nil }
            return leading
        }
        leader?.task.cancel()
        sessions.leadNoMore()
        sessions.endAll()
        await leader?.task.value
        channels.close()
        await raft.stop()
        // They hold the databases, whose place another cluster's may take next.
        for task in tasks { await task.value }
        store.close()
    }

    var isLeading: Bool { raft.status.isLeading }

    /// A node says that it is reached at an address.
    func note(_ address: String, of nodeID: String) {
        channels.note(address, of: nodeID, beside: raft.status.members.map(\.member))
    }

    /// Whether nothing is left under an older one of the keys that it began with: databases were written anew when they
    /// were opened, snapshots are soon after.
    var needsNewestKeyAlone: Bool {
        guard let names = try? Files.list(snapshotDirectory) else { return false }
        return names.allSatisfy { disks.state.hasSealed(snapshotDirectory + "/" + $0) }
    }

    /// Who leads; waits a little for an election to end.
    func leader() async throws(EngineError) -> RaftMember {
        let deadline = Clock.sinceBoot() + Self.leaderPatienceNanoseconds
        while true {
            if let leader = raft.status.leader { return leader }
            guard Clock.sinceBoot() < deadline else { throw withoutLeader }
            do { try await Task.sleep(for: .milliseconds(10)) } catch { throw withoutLeader }
        }
    }

    /// Why nothing can be asked of a leader here.
    private var withoutLeader: EngineError {
        raft.status.impediment.map { EngineError(.unavailable, $0) } ?? .noLeader
    }

    /// How long a request waits for a leader to be elected.
    static let leaderPatienceNanoseconds: Int64 = 5_000_000_000

    /// The latest state: everything that was acknowledged anywhere before the call is in it.
    func latest() async throws(EngineError) -> ClusterState {
        let deadline = Clock.sinceBoot() + Self.leaderPatienceNanoseconds
        while true {
            do {
                try await raft.readIndex()
                return store.state
            } catch {
                // Between two leaders: the read has no effect, so it is asked again.
                guard Clock.sinceBoot() < deadline, (try? await Task.sleep(for: .milliseconds(50))) != nil else {
                    let failure = EngineError(error)
                    throw failure == .noLeader ? withoutLeader : failure
                }
            }
        }
    }

    var proposer: Proposer { Proposer(store: store, raft: raft) }

    /// Proposes on the leader. Refusals come as errors.
    func proposeHere(_ mutations: [Mutation], by author: Author, note: String? = nil) async throws {
        try await proposer.propose(mutations, by: author, note: note).applied()
    }
}
