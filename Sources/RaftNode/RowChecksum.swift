/// CRC-32C, Castagnoli's polynomial (RFC 3720, section 12.1 and appendix B.4), of bytes as they come.
///
/// It notices every change that is confined to 32 bits in a row, and every change of up to three bits in as much as an
/// entry may hold; of larger accidents one in four thousand million goes unnoticed. A hash in the manner of FNV
/// promises nothing for small ones. docs/adr/0016-checksums-in-the-raft-database.md.
struct CRC32C: Sendable {
    private var state: UInt32 = 0xffff_ffff

    var value: UInt32 { ~state }

    /// Table 0 has a byte's effect; table n that of a byte with n bytes after it.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
            tables[byte] = value
        }
        for position in 256..<8 * 256 {
            let shorter = tables[position - 256]
            tables[position] = shorter >> 8 ^ tables[Int(shorter & 0xff)]
        }
        return tables
    }()

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var state = state
        Self.tables.withUnsafeBufferPointer { tables in
            var offset = 0
            // Eight bytes at once: their effects are independent of each other.
            while offset + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                let low = UInt32(truncatingIfNeeded: word) ^ state
                let high = UInt32(truncatingIfNeeded: word >> 32)
                state = tables[7 * 256 + Int(low & 0xff)] ^ tables[6 * 256 + Int(low >> 8 & 0xff)]
                state ^= tables[5 * 256 + Int(low >> 16 & 0xff)] ^ tables[4 * 256 + Int(low >> 24)]
                state ^= tables[3 * 256 + Int(high & 0xff)] ^ tables[2 * 256 + Int(high >> 8 & 0xff)]
                state ^= tables[256 + Int(high >> 16 & 0xff)] ^ tables[Int(high >> 24)]
                offset += 8
            }
            while offset < bytes.count {
                state = state >> 8 ^ tables[Int((state ^ UInt32(bytes[offset])) & 0xff)]
                offset += 1
            }
        }
        self.state = state
    }
}

/// The checksum of a row: its table and all columns, each with its length, so that no two rows look alike.
struct RowChecksum: Sendable {
    private var checksum = CRC32C()

    /// Numbers are never used again for another table.
    enum Table: UInt64, Sendable {
        case identity = 1
        case peer = 2
        case hardState = 3
        case base = 4
        case snapshot = 5
        case log = 6
    }

    init(_ table: Table) { add(table.rawValue) }

    var value: Int64 { Int64(checksum.value) }

    mutating func add(_ number: UInt64) {
        withUnsafeBytes(of: number.littleEndian) { checksum.add($0) }
    }

    mutating func add(_ bytes: [UInt8]) {
        add(UInt64(bytes.count))
        bytes.withUnsafeBytes { checksum.add($0) }
    }

    mutating func add(_ text: String) { add(Array(text.utf8)) }
}
