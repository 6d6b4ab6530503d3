/// Bytes that are no message, entry or membership of ours.
public enum RaftCodecError: Error, Hashable, Sendable {
    case truncated
    case unknownVersion(UInt8)
    case unknownKind(UInt8)
    case trailingBytes(Int)
    /// A length or count beyond its limit.
    case tooLarge
    /// A number of more than 64 bits, an index or a term of more than 63, text that is not UTF-8, a member without
    /// identity.
    case malformed
}

/// Numbers as little-endian base 128, byte strings with their length before them.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    init(reserving count: Int = 64) { bytes.reserveCapacity(count) }

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func flag(_ value: Bool) { bytes.append(value ? 1 : 0) }

    mutating func number(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func data(_ value: [UInt8]) {
        number(UInt64(value.count))
        bytes += value
    }

    mutating func text(_ value: String) { data(Array(value.utf8)) }
}

struct ByteReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func byte() throws(RaftCodecError) -> UInt8 {
        guard position < bytes.count else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func flag() throws(RaftCodecError) -> Bool {
        switch try byte() {
        case 0: false
        case 1: true
        default: throw .malformed
        }
    }

    mutating func number() throws(RaftCodecError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let next = try byte()
            if shift == 63, next > 1 { throw .malformed }
            value |= UInt64(next & 0x7f) << shift
            if next & 0x80 == 0 { return value }
        }
        throw .malformed
    }

    /// An index, a term or a file's length: SQLite keeps no larger ones, and the next one is a number as well.
    mutating func ordinal() throws(RaftCodecError) -> UInt64 {
        let value = try number()
        guard value <= UInt64(Int64.max) else { throw .malformed }
        return value
    }

    mutating func count(limit: Int) throws(RaftCodecError) -> Int {
        let value = try number()
        guard value <= UInt64(limit) else { throw .tooLarge }
        return Int(value)
    }

    mutating func data(limit: Int) throws(RaftCodecError) -> [UInt8] {
        let count = try count(limit: limit)
        guard count <= bytes.count - position else { throw .truncated }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func text(limit: Int) throws(RaftCodecError) -> String {
        let data = try data(limit: limit)
        guard let text = String(validating: data, as: UTF8.self) else { throw .malformed }
        return text
    }

    func finish() throws(RaftCodecError) {
        guard position == bytes.count else { throw .trailingBytes(bytes.count - position) }
    }
}
