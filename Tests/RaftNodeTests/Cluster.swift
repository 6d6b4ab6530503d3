import LinuxSystem
import Logging
import RaftCore
import SQLite
import Synchronization
import TestSupport
import Testing

@testable import RaftNode

/// A state machine in memory: the list of its commands. A new life begins empty, so everything comes from the log and
/// the snapshots.
final class ListMachine: RaftStateMachine {
    struct State {
        var commands: [(index: UInt64, text: String)] = []
        var installed: [UInt64] = []
        var refused: String?
        var isDiskFull = false
        /// Snapshots with one of these commands are refused, and how many were.
        var refusedSnapshots: Set<String> = []
        var refusals = 0
        /// So many snapshots fail before one is written.
        var failingSnapshots = 0
        /// Called by whoever applies, before that has an effect.
        var onApply: (@Sendable () -> Void)?
    }

    let state = Mutex(State())

    var appliedIndex: UInt64 { state.withLock { $0.commands.last?.index ?? 0 } }
    var texts: [String] { state.withLock { $0.commands.map(\.text) } }
    var installed: [UInt64] { state.withLock { $0.installed } }

    struct Refused: Error {}

    func apply(_ commands: [CommittedCommand]) throws -> [[UInt8]] {
        state.withLock { $0.onApply }?()
        return try state.withLock { state in
            if state.isDiskFull { throw DatabaseError(code: 13, message: "full", statement: "apply") }
            return try commands.map { command in
                let text = String(decoding: command.bytes, as: UTF8.self)
                if text == state.refused { throw Refused() }
                precondition(command.index > state.commands.last?.index ?? 0, "applied twice or out of order")
                state.commands.append((command.index, text))
                return Array("\(text)!".utf8)
            }
        }
    }

    func writeSnapshot(to path: String) throws -> UInt64? {
        let (commands, fails) = state.withLock { state in
            defer { state.failingSnapshots -= 1 }
            return (state.commands, state.failingSnapshots > 0)
        }
        if fails { throw Refused() }
        guard let last = commands.last else { return nil }
        try Files.write(path, commands.map { "\($0.index) \($0.text)\n" }.joined())
        return last.index
    }

    func installation(of path: String, index: UInt64) throws -> () throws -> Void {
        let lines = try Files.text(path).split(separator: "\n")
        let commands = lines.map { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            return (index: UInt64(parts[0])!, text: parts.count > 1 ? String(parts[1]) : "")
        }
        try state.withLock { state in
            if commands.last?.index == index, !commands.contains(where: { state.refusedSnapshots.contains($0.text) }) {
                return
            }
            state.refusals += 1
            throw Refused()
        }
        return { [self] in
            state.withLock {
                $0.commands = commands
                $0.installed.append(index)
            }
        }
    }
}

/// A network in memory between nodes of one process.
final class Network: Sendable {
    struct State {
        var nodes: [String: RaftNode] = [:]
        var cuts: Set<Set<String>> = []
        var chunkCount = 0
        var lostChunks: Set<Int> = []
        /// No message arrives that ends a joint membership.
        var losesEnds = false
    }

    let state = Mutex(State())

    func deliver(_ message: RaftMessage, from sender: String, to receiver: String) {
        let node = state.withLock { state -> RaftNode? in
            if case .snapshotChunk = message.body {
                state.chunkCount += 1
                if state.lostChunks.contains(state.chunkCount) { return nil }
            }
            if state.losesEnds, case .append(_, _, _, let entries) = message.body,
                entries.contains(where: { $0.payload == .membership(.leaveJoint) })
            {
                return nil
            }
            return state.cuts.contains([sender, receiver]) ? nil : state.nodes[receiver]
        }
        node?.step(message.encoded(), from: sender)
    }

    struct Port: RaftTransport {
        let network: Network
        let nodeID: String

        func send(_ messages: [RaftMessage], to member: RaftMember) {
            for message in messages { network.deliver(message, from: nodeID, to: member.nodeID) }
        }
    }
}

/// Nodes with real files in a temporary folder.
final class Cluster {
    final class Host {
        let member: RaftMember
        var directory: String
        /// Where `raft.sqlite` lies; nil is the temporary folder.
        var disk: SimulatedDisk?
        var machine = ListMachine()
        var node: RaftNode?

        init(_ member: RaftMember, directory: String) {
            self.member = member
            self.directory = directory
        }
    }

    let folder: TemporaryDirectory
    let network = Network()
    var hosts: [Host] = []
    var timing = RaftTiming()
    var trimming = RaftTrimming()
    var scrubbing = RaftScrubbing()
    var simulatesDisks = false
    private var lives = 0

    init() throws {
        folder = try TemporaryDirectory("raft")
        timing.tickMilliseconds = 30
    }

    /// A host that has not joined anything.
    func add(isWitness: Bool = false) throws -> Host {
        let number = hosts.count + 1
        let member = RaftMember(
            id: UInt64(number), nodeID: "node\(number)", address: "10.0.0.\(number):2377", isWitness: isWitness)
        let host = Host(member, directory: folder.path("\(number)"))
        if simulatesDisks { host.disk = SimulatedDisk(seed: UInt64(number)) }
        hosts.append(host)
        try start(host)
        return host
    }

    /// A new life: only what is on the disk is left.
    ///
    /// - Parameter state: nil for one that is empty.
    func start(_ host: Host, with state: ListMachine? = nil, refusingSnapshots texts: Set<String> = []) throws {
        var logger = Logger(label: host.member.nodeID)
        logger.logLevel = .critical
        host.machine = state ?? ListMachine()
        host.machine.state.withLock { $0.refusedSnapshots = texts }
        let node = try RaftNode(
            directory: host.directory, transport: Network.Port(network: network, nodeID: host.member.nodeID),
            stateMachine: host.member.isWitness ? NoStateMachine() : host.machine, timing: timing,
            limits: RaftLimits(trimming: trimming, scrubbing: scrubbing), on: host.disk, logger: logger)
        host.node = node
        network.state.withLock { $0.nodes[host.member.nodeID] = node }
    }

    /// As kill -9: the next life gets a copy of what the files held at that moment. On a simulated disk it is a loss of
    /// power.
    func kill(_ host: Host) async throws {
        network.state.withLock { $0.nodes[host.member.nodeID] = nil }
        host.disk?.losePower()
        await host.node?.abandon()
        host.node = nil
        host.disk?.restorePower()
        lives += 1
        let copy = folder.path("\(host.member.id)-life\(lives)")
        if host.disk != nil { return }
        try Files.makeDirectories(copy + "/snapshots")
        for name in ["raft.sqlite", "raft.sqlite-wal"] {
            try Files.write(copy + "/" + name, Files.read(host.directory + "/" + name))
        }
        for name in try Files.list(host.directory + "/snapshots") {
            try Files.write(copy + "/snapshots/" + name, Files.read(host.directory + "/snapshots/" + name))
        }
        host.directory = copy
    }

    func stop(_ host: Host) async {
        network.state.withLock { $0.nodes[host.member.nodeID] = nil }
        await host.node?.stop()
        host.node = nil
    }

    func stopAll() async {
        for host in hosts { await stop(host) }
    }

    func isolate(_ host: Host) {
        network.state.withLock { state in
            for other in hosts where other !== host { state.cuts.insert([host.member.nodeID, other.member.nodeID]) }
        }
    }

    func mend() { network.state.withLock { $0.cuts = [] } }

    var running: [Host] { hosts.filter { $0.node != nil } }

    /// A group of so many voters.
    func form(_ count: Int) async throws {
        let founder = try add()
        try await founder.node!.bootstrap(founder.member)
        for _ in 1..<count { try await join(add()) }
    }

    func join(_ host: Host) async throws {
        let leader = try await leader()
        try await learn(host, from: leader)
        try await leader.node!.promote(host.member.id)
    }

    /// Makes a host a member without a vote.
    func learn(_ host: Host, from leader: Host) async throws {
        try await host.node!.join(as: host.member, peers: leader.node!.status.members.map(\.member))
        try await leader.node!.addLearner(host.member)
    }

    func leader(butNot excluded: Host? = nil, within limit: Duration = .seconds(60)) async throws -> Host {
        var found: Host?
        try await wait("a leader", within: limit) { [self] in
            found = running.first { $0 !== excluded && $0.node!.status.isLeading }
            return found != nil
        }
        return found!
    }

    func propose(_ text: String, on host: Host) async throws -> String {
        let (_, result) = try await host.node!.propose(Array(text.utf8))
        return String(decoding: result, as: UTF8.self)
    }

    /// Proposes on whoever leads until it is accepted; may apply it twice where a leader is lost.
    func proposeAnywhere(_ text: String) async throws {
        for _ in 0..<100 {
            do {
                _ = try await propose(text, on: leader())
                return
            } catch RaftError.leadershipLost, RaftError.notLeader, RaftError.stopped {
                continue
            }
        }
        Issue.record("no leader took \(text)")
    }

    /// Waits until a condition holds; the condition looks at what is safe to look at from any thread.
    func wait(_ what: String, within limit: Duration = .seconds(60), _ condition: () -> Bool) async throws {
        try await waitUntil(what, within: limit, every: .milliseconds(5)) { condition() }
    }

    func waitForAgreement(on expected: [String]? = nil) async throws {
        try await wait("agreement of all") { [self] in
            let lists = running.filter { !$0.member.isWitness }.map { $0.machine.texts }
            return lists.allSatisfy { $0 == expected ?? lists[0] }
        }
    }
}

/// Proposes different texts from eight sides until the node refuses; the texts that it acknowledged.
func proposeUntilRefused(
    _ node: RaftNode, prefix: String = "", meanwhile: () async -> Void
) async -> [String] {
    await withTaskGroup(of: [String].self) { group in
        for worker in 0..<8 {
            group.addTask {
                var done: [String] = []
                for number in 0..<10_000 {
                    let text = "\(prefix)\(worker)-\(number)"
                    guard (try? await node.propose(Array(text.utf8))) != nil else { break }
                    done.append(text)
                }
                return done
            }
        }
        await meanwhile()
        return await group.reduce(into: []) { $0 += $1 }
    }
}
