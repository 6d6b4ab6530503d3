import Testing
import Values

@testable import RaftCore

/// Golden bytes of every kind of message; what is cut short or too long is refused.
@Suite struct CodecTests {
    static let member = RaftMember(id: 300, nodeID: "n1", address: "a:1")
    static let membership = Membership([.init(member: member, isVoter: true)])
    static let witness = RaftMember(id: 9, nodeID: "n9", address: "a:9", isWitness: true, priority: 7)
    /// One goes, the witness comes.
    static let jointMembership: Membership = {
        var joint = membership
        joint.apply(.joint([.addLearner(witness), .promote(9), .remove(300)]))
        return joint
    }()
    static let examples: [(RaftMessage.Body, String)] = [
        (.preVoteRequest(lastIndex: 5, lastTerm: 2), "0101 01 02 03 05 02"),
        (.preVoteResponse(granted: true), "0102 01 02 03 01"),
        (.voteRequest(lastIndex: 128, lastTerm: 2, isTransfer: true), "0103 01 02 03 8001 02 01"),
        (.voteResponse(granted: false), "0104 01 02 03 00"),
        (
            .append(
                previousIndex: 4, previousTerm: 2, commit: 3,
                entries: [
                    Entry(index: 5, term: 3, payload: .nothing),
                    Entry(index: 6, term: 3, payload: .command([0xaa, 0xbb])),
                    Entry(index: 7, term: 3, payload: .membership(.addLearner(member))),
                    Entry(index: 8, term: 3, payload: .membership(.promote(300))),
                ]),
            "0105 01 02 03 04 02 03 04"
                + " 03 00 00" + " 03 01 02 aabb" + " 03 02 0a 02 ac02 02 6e31 03 613a31" + " 03 02 03 03 ac02"
        ),
        (.appendAccepted(index: 7), "0106 01 02 03 07"),
        (.appendRejected(rejected: 9, hint: 4, hintTerm: 1), "0107 01 02 03 09 04 01"),
        (.heartbeat(commit: 6, read: 2), "0108 01 02 03 06 02"),
        (.heartbeatResponse(read: 2), "0109 01 02 03 02"),
        (
            .snapshotChunk(
                SnapshotChunk(
                    metadata: SnapshotMetadata(index: 10, term: 3, membership: membership), byteCount: 4, checksum: 1,
                    offset: 2, bytes: [1, 2])),
            "010a 01 02 03 0a 03 01 ac02 02 6e31 03 613a31 01 04 01 02 02 0102"
        ),
        (.snapshotReceived(index: 10, received: 4), "010b 01 02 03 0a 04"),
        (.timeoutNow, "010c 01 02 03"),
        (.readIndex(request: 1), "010d 01 02 03 01"),
        (.readIndexResponse(request: 1, index: 8), "010e 01 02 03 01 08"),
        (.proposals([[0xaa], []]), "010f 01 02 03 02 01 aa 00"),
        (
            .append(
                previousIndex: 4, previousTerm: 2, commit: 3,
                entries: [
                    Entry(index: 5, term: 3, payload: .membership(.addLearner(witness))),
                    Entry(index: 6, term: 3, payload: .membership(.found(witness))),
                    Entry(index: 7, term: 3, payload: .membership(.joint([.demote(1), .addLearner(member)]))),
                    Entry(index: 8, term: 3, payload: .membership(.leaveJoint)),
                ]),
            "0105 01 02 03 04 02 03 04" + " 03 02 0b 06 09 02 6e39 03 613a39 01 07"
                + " 03 02 0b 05 09 02 6e39 03 613a39 01 07" + " 03 02 0e 08 02 07 01 02 ac02 02 6e31 03 613a31"
                + " 03 02 01 09"
        ),
        (
            .snapshotChunk(
                SnapshotChunk(
                    metadata: SnapshotMetadata(index: 10, term: 3, membership: jointMembership), byteCount: 4,
                    checksum: 1, offset: 2, bytes: [1])),
            "010a 01 02 03 0a 03 02 09 02 6e39 03 613a39 09 01 07 ac02 02 6e31 03 613a31 06 04 01 02 01 01"
        ),
    ]

    static func bytes(_ hex: String) -> [UInt8] { Hex.decode(hex.filter { $0 != " " }) ?? [] }

    @Test(arguments: examples.indices) func golden(_ position: Int) throws {
        let (body, hex) = Self.examples[position]
        let message = RaftMessage(from: 1, to: 2, term: 3, body: body)
        #expect(message.encoded() == Self.bytes(hex))
        #expect(try RaftMessage(decoding: Self.bytes(hex)) == message)
    }

    @Test(arguments: examples.indices) func truncation(_ position: Int) throws {
        let whole = Self.bytes(Self.examples[position].1)
        for count in 0..<whole.count {
            #expect(throws: RaftCodecError.self, "\(count) of \(whole.count)") {
                try RaftMessage(decoding: Array(whole[..<count]))
            }
        }
        #expect(throws: RaftCodecError.trailingBytes(1)) { try RaftMessage(decoding: whole + [0]) }
    }

    @Test func bounds() {
        // A count of entries far beyond what the message can hold.
        let many = Self.bytes("0105 01 02 03 04 02 03 ffffffff7f")
        #expect(throws: RaftCodecError.tooLarge) { try RaftMessage(decoding: many) }
        // A command whose length says more than its limit.
        let long = Self.bytes("0105 01 02 03 04 02 03 01 03 01 ffffffff7f")
        #expect(throws: RaftCodecError.tooLarge) { try RaftMessage(decoding: long) }
        #expect(throws: RaftCodecError.unknownVersion(2)) { try RaftMessage(decoding: [2]) }
        #expect(throws: RaftCodecError.unknownKind(99)) { try RaftMessage(decoding: [1, 99, 1, 2, 3]) }
        // A number of more than 64 bits.
        #expect(throws: RaftCodecError.malformed) {
            try RaftMessage(decoding: [1, 6] + [UInt8](repeating: 0xff, count: 9) + [2, 0, 0, 0])
        }
        // Terms and indices after which there is no other: heartbeats and snapshots of such a leader.
        #expect(throws: RaftCodecError.malformed) {
            try RaftMessage(decoding: Self.bytes("0108 01 02 ffffffffffffffffff01 06 02"))
        }
        #expect(throws: RaftCodecError.malformed) {
            try RaftMessage(decoding: Self.bytes("010a 01 02 03 ffffffffffffffffff01 03 00 04 01 02 00"))
        }
        #expect(throws: RaftCodecError.malformed) {
            try RaftMessage(decoding: Self.bytes("0105 01 02 03 feffffffffffffff7f 02 03 01 03 00 00"))
        }
        // A member without identity, and text that is not UTF-8.
        #expect(throws: RaftCodecError.malformed) { try Membership(encoded: Self.bytes("01 00 00 00 01")) }
        #expect(throws: RaftCodecError.malformed) { try Membership(encoded: Self.bytes("01 01 01 ff 00 01")) }
        // Marks of a member that nobody knows; a joint change within a joint change.
        #expect(throws: RaftCodecError.malformed) { try Membership(encoded: Self.bytes("01 01 01 61 00 10")) }
        #expect(throws: RaftCodecError.unknownKind(8)) {
            try Entry.Payload(kind: 2, encoded: Self.bytes("08 01 08 00"))
        }
        #expect(throws: RaftCodecError.tooLarge) {
            try RaftMessage(decoding: [UInt8](repeating: 0, count: RaftMessage.byteLimit + 1))
        }
    }

    @Test func randomBytesNeverTrap() {
        var generator = SplitMix64(seed: 5)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<60, using: &generator)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            if count > 2 {
                bytes[0] = 1
                bytes[1] = UInt8.random(in: 0...16, using: &generator)
            }
            if let message = try? RaftMessage(decoding: bytes) { _ = message.encoded() }
        }
    }
}
