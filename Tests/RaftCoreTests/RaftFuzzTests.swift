import Fuzzing
import Testing

@testable import RaftCore

/// What members send each other and what stands in their logs, broken; and what a member makes of broken messages.
@Suite struct RaftFuzzTests {
    private static let messages = CodecTests.examples.map { CodecTests.bytes($0.1) }

    private static let changes: [MembershipChange] = [
        .found(CodecTests.member), .addLearner(CodecTests.witness), .promote(300), .remove(9), .demote(9), .leaveJoint,
        .joint([.demote(300), .addLearner(CodecTests.witness), .promote(9)]),
    ]

    @Test func messages() {
        let report = Fuzzer("raft-messages").run(
            Self.messages, decode: { try RaftMessage(decoding: $0) }, encode: { $0.encoded() })
        #expect(report.finding == nil)
    }

    /// The first byte is the kind.
    @Test func entries() {
        let payloads = [.nothing, .command([1, 2, 3])] + Self.changes.map { Entry.Payload.membership($0) }
        let report = Fuzzer("raft-entries").run(
            payloads.map { [$0.kind] + $0.encoded },
            decode: { try Entry.Payload(kind: $0.first ?? 0, encoded: Array($0.dropFirst())) },
            encode: { [$0.kind] + $0.encoded })
        #expect(report.finding == nil)
    }

    @Test func memberships() {
        let memberships = [Membership(), CodecTests.membership, CodecTests.jointMembership]
        let report = Fuzzer("raft-memberships").run(
            memberships.map(\.encoded), decode: { try Membership(encoded: $0) }, encode: \.encoded)
        #expect(report.finding == nil)
    }

    /// A leader and a follower of three, with a few entries and changes behind them.
    private static func members() throws -> [Raft] {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        for text in ["a", "b", "c"] { try group.propose(text, on: 1) }
        group.compact(1, through: 3)
        try group.change(.addLearner(Group.member(4)), on: 1)
        group.cut(1, 3)
        try group.propose("d", on: 1)
        return [group[1], group[2]]
    }

    /// Whatever an authenticated member says, nobody traps: messages of one byte string after the other, each with its
    /// length before it, to a leader and to a follower, with time between them.
    @Test func forgedMessages() throws {
        let members = try Self.members()
        func framed(_ messages: [RaftMessage.Body], from: UInt64, term: UInt64) -> [UInt8] {
            var writer = ByteWriter()
            for body in messages {
                writer.data(RaftMessage(from: from, to: 1, term: term, body: body).encoded())
            }
            return writer.bytes
        }
        let term = members[0].currentTerm
        let last = members[0].lastIndex
        let entry = Entry(index: last + 1, term: term + 1, payload: .command([1]))
        let change = Entry(index: last + 2, term: term + 1, payload: .membership(.remove(2)))
        let file = SnapshotMetadata(index: last + 5, term: term + 1, membership: CodecTests.membership)
        let chunk = SnapshotChunk(metadata: file, byteCount: 1, checksum: 1, offset: 0, bytes: [1])
        let examples = [
            framed([.heartbeatResponse(read: 1), .appendAccepted(index: last)], from: 2, term: term),
            framed(
                [.appendRejected(rejected: last, hint: 3, hintTerm: 1), .heartbeatResponse(read: 2)], from: 3,
                term: term),
            framed(
                [
                    .append(previousIndex: last, previousTerm: term, commit: last, entries: [entry, change]),
                    .heartbeat(commit: last + 2, read: 1),
                ], from: 3, term: term + 1),
            framed(
                [
                    .preVoteRequest(lastIndex: last, lastTerm: term),
                    .voteRequest(lastIndex: last, lastTerm: term, isTransfer: true),
                ], from: 3, term: term + 1),
            framed([.snapshotChunk(chunk), .timeoutNow, .voteResponse(granted: true)], from: 2, term: term + 1),
            framed([.timeoutNow, .readIndex(request: 1), .proposals([[1], [2]])], from: 2, term: term),
            framed(
                [.readIndexResponse(request: 1, index: last), .snapshotReceived(index: 1, received: 2)], from: 3,
                term: term),
        ]
        let report = Fuzzer("raft-forged-messages").run(examples) { input in
            var reader = ByteReader(input)
            var taken: [RaftMessage] = []
            while let bytes = try? reader.data(limit: 1 << 16), let message = try? RaftMessage(decoding: bytes) {
                taken.append(message)
            }
            for member in members { Self.live(member, among: taken) }
            return taken.isEmpty ? .refused : .taken
        }
        #expect(report.finding == nil)
    }

    private static func live(_ member: Raft, among messages: [RaftMessage]) {
        var raft = member
        func carryOut() {
            var rounds = 0
            while rounds < 100, let ready = raft.takeReady() {
                for message in ready.messages + ready.messagesAfterPersisting {
                    if case .snapshot = message.body { continue }
                    _ = message.encoded()
                }
                raft.advance(ready)
                rounds += 1
            }
        }
        for message in messages {
            var body = message.body
            // A chunk is the shell's; what the core hears of in the end is the snapshot.
            if case .snapshotChunk(let chunk) = body { body = .snapshot(chunk.metadata) }
            raft.step(RaftMessage(from: message.from, to: raft.id, term: message.term, body: body))
            carryOut()
            _ = raft.compact(through: raft.appliedIndex)
            raft.tick()
            carryOut()
        }
        raft.campaign()
        carryOut()
        _ = try? raft.propose([[1]])
        _ = raft.requestRead(1)
        for _ in 0..<3 { raft.tick() }
        carryOut()
    }
}
