import ClusterModel
import ClusterStore
import Glibc
import JSON
import LinuxSystem
import Logging
import RaftNode
import Values

/// Measures the store of a manager, the only one of its group, with a large state: each step in a process of its own,
/// in this order, with what it found as one JSON text.
public struct StoreBench: Sendable {
    /// Mutations in an entry when the state is made.
    private static let mutationsPerEntry = 500
    static let member = RaftMember(id: 1, nodeID: "bench", address: "127.0.0.1:2377")

    let directory: String
    let logger: Logger

    public init(directory: String, logger: Logger) {
        self.directory = directory
        self.logger = logger
    }

    /// Makes the state as entries of the log would, and a group of one with it.
    public func make(_ size: SampleCluster.Size) throws -> JSONValue {
        let begin = Clock.sinceBoot()
        let time = Clock.now()
        let store = try ClusterStore(directory: directory, logger: logger)
        var sample = SampleCluster(size, at: time)
        var index: UInt64 = 0
        var mutations: [Mutation] = []
        func flush() throws {
            index += 1
            let bytes = try JSONCoding.encode(Transaction(time: time, author: .orchestrator, mutations: mutations))
            mutations = []
            let result = try store.apply([CommittedCommand(index: index, term: 1, bytes: bytes)])
            if let refusal = try CommandOutcome(decoding: result[0]).refusal { throw refusal }
        }
        try sample.forEachMutation { mutation in
            mutations.append(mutation)
            if mutations.count == Self.mutationsPerEntry { try flush() }
        }
        if !mutations.isEmpty { try flush() }
        _ = try RaftNode.refound(directory: directory, as: Self.member, stateMachine: store)
        store.close()
        return ["seconds": .number(Self.seconds(since: begin))]
    }

    /// Starts from the files: until the state is there, and until the group takes writes.
    public func start() async throws -> JSONValue {
        let begin = Clock.sinceBoot()
        let store = try ClusterStore(directory: directory, logger: logger)
        let loaded = Self.seconds(since: begin)
        let raft = try await Self.lead(directory, store, logger)
        let leading = Self.seconds(since: begin)
        let memory = try ProcessMemory.now()
        let state = store.state
        let answer: JSONValue = [
            "loadSeconds": .number(loaded), "seconds": .number(leading),
            "processorSeconds": .number(Self.processorSeconds()),
            "residentBytes": .integer(Int64(memory.resident)), "peakBytes": .integer(Int64(memory.peak)),
            "tasks": .integer(Int64(state.tasks.count)),
            "nodes": .integer(Int64(state.nodes.count)), "services": .integer(Int64(state.services.count)),
        ]
        await raft.stop()
        store.close()
        return answer
    }

    /// Takes up a copy of the state in a directory of its own, as `cluster restore` does.
    public func restore(from copy: String) async throws -> JSONValue {
        let begin = Clock.sinceBoot()
        let mark = try ClusterStore.checkedMark(ofCopy: copy)
        let store = try ClusterStore(directory: directory, logger: logger)
        try store.install(snapshot: copy, index: mark.index)
        _ = try RaftNode.refound(directory: directory, as: Self.member, stateMachine: store)
        let raft = try await Self.lead(directory, store, logger)
        let seconds = Self.seconds(since: begin)
        let memory = try ProcessMemory.now()
        await raft.stop()
        store.close()
        return [
            "seconds": .number(seconds), "residentBytes": .integer(Int64(memory.resident)),
            "peakBytes": .integer(Int64(memory.peak)),
        ]
    }

    /// Starts the member and waits until it leads.
    static func lead(
        _ directory: String, _ stateMachine: any RaftStateMachine, _ logger: Logger
    ) async throws -> RaftNode {
        let raft = try RaftNode(
            directory: directory, transport: NoTransport(), stateMachine: stateMachine, logger: logger)
        for await status in raft.statusChanges() where status.isLeading || status.failure != nil {
            if let failure = status.failure { throw RaftError.stopped(failure) }
            break
        }
        return raft
    }

    /// What this process has used so far (getrusage(2)).
    private static func processorSeconds() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }

    static func seconds(since begin: Int64) -> Double { Double(Clock.sinceBoot() - begin) / 1e9 }
}

/// Sends nothing: a group of one has nobody to talk to.
private struct NoTransport: RaftTransport {
    func send(_ messages: [RaftMessage], to member: RaftMember) {}
}
