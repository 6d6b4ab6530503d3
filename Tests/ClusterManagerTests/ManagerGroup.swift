import ClusterModel
import ClusterStore
import LinuxSystem
import Logging
import RaftNode
import Synchronization
import TestSupport
import Testing
import Values

@testable import ClusterManager

/// Managers in one process: real logs and stores in a temporary folder, a network in memory, and the leader's care for
/// the cluster's version. Each host runs a program that supports certain versions.
final class ManagerGroup: Sendable {
    static let logger: Logger = {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }()

    struct Running: Sendable {
        let raft: RaftNode
        let store: ClusterStore
        let supported: SupportedVersions
        let keeping: Task<Void, Never>
    }

    private struct Port: RaftTransport {
        let group: ManagerGroup
        let nodeID: String

        func send(_ messages: [RaftMessage], to member: RaftMember) {
            guard let receiver = group.running(member.nodeID) else { return }
            for message in messages { receiver.raft.step(message.encoded(), from: nodeID) }
        }
    }

    private let folder: TemporaryDirectory
    private let hosts = Mutex<[String: Running]>([:])
    private let asked = Mutex<[String: Int]>([:])

    init() throws { folder = try TemporaryDirectory("managers") }

    func running(_ name: String) -> Running? { hosts.withLock { $0[name] } }
    /// How often a leader has asked a host which versions it supports.
    func questions(to name: String) -> Int { asked.withLock { $0[name] ?? 0 } }
    var all: [String: Running] { hosts.withLock { $0 } }
    var leader: Running? { all.values.first { $0.raft.status.isLeading } }

    static func member(_ name: String) -> RaftMember {
        RaftMember(id: UInt64(name.dropFirst()) ?? 1, nodeID: name, address: "\(name):2377")
    }

    func start(_ name: String, _ supported: SupportedVersions) throws {
        let store = try ClusterStore(
            directory: folder.path(name), supported: supported, logger: Self.logger)
        let raft = try RaftNode(
            directory: folder.path(name), transport: Port(group: self, nodeID: name), stateMachine: store,
            logger: Self.logger)
        let survey = ManagerSurvey(
            versions: ManagerVersions(program: name, supported: supported), raft: raft
        ) { [weak self] member in
            self?.asked.withLock { $0[member.nodeID, default: 0] += 1 }
            return self?.running(member.nodeID).map { ManagerVersions(program: member.nodeID, supported: $0.supported) }
        }
        let proposer = Proposer(store: store, raft: raft)
        let gate = SharedVersionGate()
        let keeping = Task {
            while !Task.isCancelled, raft.status.failure == nil {
                let status = raft.status
                let keeper = VersionKeeper(
                    proposer: proposer, survey: survey, gate: gate, term: status.term, logger: Self.logger,
                    pause: .milliseconds(10))
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await keeper.run() }
                    group.addTask {
                        for await news in raft.statusChanges() where news.term != status.term { return }
                    }
                    await group.next()
                    group.cancelAll()
                }
            }
        }
        hosts.withLock {
            $0[name] = Running(raft: raft, store: store, supported: supported, keeping: keeping)
        }
    }

    func stop(_ name: String) async {
        guard let host = hosts.withLock({ $0.removeValue(forKey: name) }) else { return }
        host.keeping.cancel()
        await host.keeping.value
        await host.raft.stop()
        host.store.close()
    }

    func stopAll() async { for name in all.keys { await stop(name) } }

    /// Voters of these names.
    func form(_ names: [String], _ supported: SupportedVersions) async throws {
        for name in names {
            try start(name, supported)
            let raft = try #require(running(name)).raft
            if name == names[0] {
                try await raft.bootstrap(Self.member(name))
            } else {
                try await join(name)
                try await waitForLeader().raft.promote(Self.member(name).id)
            }
        }
    }

    /// A member without a vote.
    func join(_ name: String) async throws {
        let leader = try await waitForLeader()
        try await #require(running(name)).raft.join(
            as: Self.member(name), peers: leader.raft.status.members.map(\.member))
        try await leader.raft.addLearner(Self.member(name))
    }

    func waitForLeader() async throws -> Running {
        try await waitFor("a leader", within: .seconds(60), every: .milliseconds(5)) { self.leader }
    }

    /// Proposes until it is answered, each time under the same identifier.
    func propose(_ mutation: Mutation, id: String) async throws {
        let answer = try await waitFor("an answer", within: .seconds(60), every: .milliseconds(5)) {
            guard let leader else { return nil as ProposalAnswer? }
            let proposer = Proposer(store: leader.store, raft: leader.raft)
            return try? await proposer.propose([mutation], by: .node(id: "client", client: nil), id: id)
        }
        try answer.applied()
    }
}
