import RaftCore
import Testing

@testable import RaftNode

@Suite struct RowChecksumTests {
    private func checksum(_ bytes: [UInt8], in pieces: Int = 1) -> UInt32 {
        var checksum = CRC32C()
        var rest = bytes[...]
        for piece in 0..<pieces {
            let count = piece == pieces - 1 ? rest.count : rest.count / 2
            Array(rest.prefix(count)).withUnsafeBytes { checksum.add($0) }
            rest = rest.dropFirst(count)
        }
        return checksum.value
    }

    @Test("RFC 3720, appendix B.4") func vectors() {
        #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(checksum(Array(0..<32)) == 0x46dd_794e)
        #expect(checksum((0..<32).reversed()) == 0x113f_db5c)
        #expect(checksum(Array("123456789".utf8)) == 0xe306_9283)
        #expect(checksum([]) == 0)
    }

    @Test func piecesMakeTheWhole() {
        let bytes = (0..<101).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        for pieces in 1..<6 { #expect(checksum(bytes, in: pieces) == checksum(bytes)) }
    }

    @Test("every change of one bit, and every exchange of columns, is seen") func changes() {
        let bytes = (0..<64).map { UInt8($0) }
        for position in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[position] ^= 1 << UInt8(bit)
                #expect(checksum(changed) != checksum(bytes))
            }
        }
        func row(_ table: RowChecksum.Table, _ texts: String...) -> Int64 {
            var checksum = RowChecksum(table)
            for text in texts { checksum.add(text) }
            return checksum.value
        }
        let rows = [
            row(.log, "ab", "c"), row(.log, "a", "bc"), row(.log, "abc"), row(.log, "abc", ""), row(.base, "abc"),
        ]
        #expect(Set(rows).count == rows.count)
    }

    @Test("rows have the checksums that files out there have; the numbers were computed apart") func golden() {
        let membership: [UInt8] = [1, 2]
        #expect(
            RaftTables.checksum(id: 7, nodeID: "node7", address: "10.0.0.7:2377", removed: 1) == 0x6397_a9dc)
        #expect(RaftTables.checksum(peer: 1, nodeID: "node1", address: "10.0.0.1:2377") == 0x9705_5dd5)
        #expect(RaftTables.checksum(HardState(term: 4, vote: 2, commit: 9), last: 13) == 0xece8_97d9)
        #expect(RaftTables.checksum(base: (5, 3, membership)) == 0xcc72_1b77)
        #expect(
            RaftTables.checksum(snapshot: ((5, 3, membership), "snapshot-5", 105, 0xcbf2_9ce4_8422_2325))
                == 0xac5f_788a)
        #expect(RaftTables.checksum(log: (9, 3, 1, Array("hello".utf8))) == 0x0d27_3ea6)
    }
}
