import LinuxSystem
import Logging
import RaftCore
import TestSupport
import Testing

@testable import RaftNode

/// A group of one out of what one member has.
@Suite struct RefoundingTests {
    private let member = RaftMember(id: 4711, nodeID: "alone", address: "")

    @Test("A member of three goes on alone with all of its log, applied or not, under a new identity")
    func aloneAgain() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        for text in ["a", "b", "c"] { _ = try await cluster.propose(text, on: cluster.leader()) }
        let host = cluster.hosts[1]
        try await cluster.wait("everything is there") { host.machine.texts.count == 3 }
        let (term, last) = (host.node!.status.term, host.machine.appliedIndex)
        await cluster.stopAll()
        // As after a crash: the state is behind the log.
        let machine = ListMachine()
        let refounding = try RaftNode.refound(directory: host.directory, as: member, stateMachine: machine)
        #expect(machine.texts == ["a", "b", "c"])
        #expect(refounding == RaftNode.Refounding(index: last, term: refounding.term) && refounding.term >= term)
        let node = try RaftNode(
            directory: host.directory, transport: Silence(), stateMachine: machine, logger: Logger(label: "test"))
        for await status in node.statusChanges() where status.isLeading { break }
        #expect(node.status.members.map(\.member) == [member])
        #expect(node.status.term > term)
        let (index, _) = try await node.propose(Array("d".utf8))
        #expect(index > last)
        await node.stop()
        // A new life finds all of it in the snapshot and the log.
        let again = ListMachine()
        let second = try RaftNode(
            directory: host.directory, transport: Silence(), stateMachine: again, logger: Logger(label: "test"))
        for await status in second.statusChanges() where status.isLeading { break }
        #expect(again.texts == ["a", "b", "c", "d"] && again.installed == [last])
        await second.stop()
    }

    @Test("A state without a log becomes one; terms go on behind the one that is given")
    func stateAlone() async throws {
        let folder = try TemporaryDirectory()
        let machine = ListMachine()
        _ = try machine.apply([CommittedCommand(index: 70, term: 9, bytes: Array("x".utf8))])
        #expect(
            try RaftNode.refound(directory: folder.path, as: member, stateMachine: machine, after: 9)
                == RaftNode.Refounding(index: 70, term: 9))
        let node = try RaftNode(
            directory: folder.path, transport: Silence(), stateMachine: machine, logger: Logger(label: "test"))
        for await status in node.statusChanges() where status.isLeading { break }
        #expect(try await node.propose(Array("y".utf8)).index > 70)
        #expect(node.status.term == 10 && node.status.snapshotIndex == 70)
        await node.stop()
    }

    @Test("When a stop returns the database is closed: another group's may take its place")
    func placeIsFree() async throws {
        let folder = try TemporaryDirectory()
        let directory = folder.path("group")
        for _ in 0..<50 {
            let node = try RaftNode(
                directory: directory, transport: Silence(), stateMachine: ListMachine(), logger: Logger(label: "test"))
            try await node.bootstrap(member)
            _ = try await node.propose(Array("a".utf8))
            #expect(Files.exists(directory + "/raft.sqlite-wal"))
            await node.stop()
            // SQLite removes it with the last connection (https://www.sqlite.org/walformat.html), by its name.
            #expect(!Files.exists(directory + "/raft.sqlite-wal"))
            try Files.removeTree(directory)
        }
    }

    @Test("Without a state there is nothing to begin with")
    func nothing() throws {
        let folder = try TemporaryDirectory()
        #expect(throws: RaftError.self) {
            _ = try RaftNode.refound(directory: folder.path, as: member, stateMachine: ListMachine())
        }
    }

    private struct Silence: RaftTransport {
        func send(_ messages: [RaftMessage], to member: RaftMember) {}
    }
}
