import Testing

@testable import RaftCore

/// Both ends of a snapshot's way (Raft section 7).
@Suite struct SnapshotTransferTests {
    private static let bytes = (0..<100).map { UInt8($0) }

    private static func metadata(_ index: UInt64) -> SnapshotMetadata {
        let member = RaftMember(id: 1, nodeID: "a", address: "a:1")
        return SnapshotMetadata(index: index, term: 2, membership: Membership([.init(member: member, isVoter: true)]))
    }

    private static func chunk(_ range: Range<UInt64>, index: UInt64 = 9, of bytes: [UInt8] = bytes) -> SnapshotChunk {
        var checksum = SnapshotChecksum()
        checksum.add(bytes)
        return SnapshotChunk(
            metadata: metadata(index), byteCount: UInt64(bytes.count), checksum: checksum.value,
            offset: range.lowerBound, bytes: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
    }

    @Test("a window of pieces is under way; each acknowledgement lets further ones go") func window() {
        var sending = SnapshotSending(byteCount: 100, pieceByteLimit: 10, now: 0)
        #expect(sending.pieces(now: 0) == [0..<10, 10..<20, 20..<30, 30..<40])
        #expect(sending.pieces(now: 1) == [])
        sending.receive(20, now: 2)
        #expect(sending.pieces(now: 2) == [40..<50, 50..<60])
        // Late news: what was under way goes again.
        sending.receive(10, now: 3)
        #expect(sending.pieces(now: 3) == [10..<20, 20..<30, 30..<40, 40..<50])
        sending.receive(200, now: 4)
        #expect(sending.pieces(now: 4) == [])
    }

    @Test("what is not acknowledged is sent again, and given up in the end") func patience() {
        var sending = SnapshotSending(byteCount: 15, pieceByteLimit: 10, now: 0)
        #expect(sending.pieces(now: 0) == [0..<10, 10..<15])
        sending.receive(10, now: 1)
        #expect(sending.pieces(now: SnapshotSending.resendTicks) == [])
        #expect(sending.pieces(now: 1 + SnapshotSending.resendTicks) == [10..<15])
        #expect(!sending.isGivenUp(now: SnapshotSending.patienceTicks))
        #expect(sending.isGivenUp(now: 1 + SnapshotSending.patienceTicks))
        #expect(!sending.isForgotten(now: 1_000))
        sending.receive(15, now: 40)
        #expect(!sending.isForgotten(now: 39 + SnapshotSending.resendTicks))
        #expect(sending.isForgotten(now: 40 + SnapshotSending.resendTicks))
    }

    @Test("a receiver that lost what it had gets everything again") func fromTheBeginning() {
        var sending = SnapshotSending(byteCount: 30, pieceByteLimit: 10, now: 0)
        _ = sending.pieces(now: 0)
        sending.receive(20, now: 1)
        sending.receive(0, now: 2)
        #expect(sending.pieces(now: 2) == [0..<10, 10..<20, 20..<30])
    }

    @Test("a sending that begins anew goes on behind what has arrived") func resumption() {
        var arrival = SnapshotArrival(Self.chunk(0..<40), from: 1)
        _ = arrival.add(Self.chunk(0..<40).bytes)
        var sending = SnapshotSending(byteCount: 100, pieceByteLimit: 10, now: 900)
        let first = Self.chunk(sending.pieces(now: 900)[0])
        #expect(first.use(from: 1, committed: 5, isHeld: false, arrival: arrival) == .more)
        #expect(!arrival.isNext(first))
        sending.receive(arrival.received, now: 901)
        #expect(sending.pieces(now: 901) == [40..<50, 50..<60, 60..<70, 70..<80])
    }

    @Test("an empty file is one piece") func empty() {
        var sending = SnapshotSending(byteCount: 0, now: 0)
        #expect(sending.pieces(now: 0) == [0..<0])
        #expect(sending.pieces(now: 1) == [])
        #expect(sending.pieces(now: SnapshotSending.resendTicks) == [0..<0])
        var arrival = SnapshotArrival(Self.chunk(0..<0, of: []), from: 1)
        let progress = arrival.add([])
        #expect(progress == .whole)
    }

    @Test("pieces are taken in their order, once, and the whole is compared with its sum") func order() {
        var arrival = SnapshotArrival(Self.chunk(0..<40), from: 1)
        func take(_ range: Range<UInt64>) -> SnapshotArrival.Progress? {
            let chunk = Self.chunk(range)
            return arrival.isNext(chunk) ? arrival.add(chunk.bytes) : nil
        }
        #expect(take(40..<80) == nil)
        #expect(take(0..<40) == .partial)
        #expect(take(0..<40) == nil)
        #expect(take(40..<80) == .partial)
        #expect(take(80..<100) == .whole)
        #expect(arrival.received == 100)
        var other = SnapshotArrival(Self.chunk(0..<40), from: 1)
        let progress = other.add(Self.bytes.reversed())
        #expect(progress == .damaged)
    }

    @Test("pieces of two files are never put together") func twoFiles() {
        let arrival = SnapshotArrival(Self.chunk(0..<40), from: 1)
        let other = Self.bytes.map { $0 ^ 1 }
        func use(_ chunk: SnapshotChunk, from sender: UInt64 = 1, isHeld: Bool = false) -> SnapshotChunk.Use {
            chunk.use(from: sender, committed: 5, isHeld: isHeld, arrival: arrival)
        }
        #expect(use(Self.chunk(40..<80)) == .more)
        #expect(use(Self.chunk(0..<40)) == .more)
        #expect(use(Self.chunk(40..<80), from: 2) == .astray)
        #expect(use(Self.chunk(40..<80, of: other)) == .astray)
        #expect(use(Self.chunk(40..<80, index: 11)) == .astray)
        #expect(use(Self.chunk(0..<40, index: 11)) == .first)
        #expect(use(Self.chunk(40..<80), isHeld: true) == .known)
        #expect(use(Self.chunk(0..<40, index: 5)) == .known)
        #expect(Self.chunk(0..<40).use(from: 1, committed: 5, isHeld: false, arrival: nil) == .first)
    }
}
