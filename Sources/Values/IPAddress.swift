/// An IPv4 or IPv6 address, in network byte order.
public struct IPAddress: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    /// 4 or 16 bytes.
    public let bytes: [UInt8]

    /// An address from its 4 or 16 bytes; nil for another count.
    public init?(bytes: some Sequence<UInt8>) {
        let array = Array(bytes)
        guard array.count == 4 || array.count == 16 else { return nil }
        self.bytes = array
    }

    /// An IPv4 address from its value, most significant byte first in text.
    public init(v4 value: UInt32) {
        bytes = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    public var isV4: Bool { bytes.count == 4 }
    public var isV6: Bool { bytes.count == 16 }
    public var bitWidth: Int { bytes.count * 8 }

    /// The value of an IPv4 address; nil for IPv6.
    public var v4Value: UInt32? {
        isV4 ? bytes.reduce(0) { $0 << 8 | UInt32($1) } : nil
    }

    public var isLoopback: Bool { isV4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1 }
    public var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

    public static let v4Loopback = IPAddress(v4: 0x7f00_0001)
    public static let v4Unspecified = IPAddress(v4: 0)

    /// Parses dotted-decimal IPv4 or RFC 4291 section 2.2 IPv6 text; nil for anything else.
    public init?(_ text: some StringProtocol) {
        if text.contains(":") {
            guard let bytes = Self.parseV6(String(text)) else { return nil }
            self.bytes = bytes
        } else {
            guard let bytes = Self.parseV4(String(text)) else { return nil }
            self.bytes = bytes
        }
    }

    private static func parseV4(_ text: String) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                part.utf8.count == 1 || part.utf8.first != 0x30, let byte = UInt8(part)
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func parseV6(_ text: String) -> [UInt8]? {
        var head: [UInt16] = []
        var tail: [UInt16]?
        var rest = text[...]
        if rest.hasPrefix("::") {
            tail = []
            rest = rest.dropFirst(2)
        } else if rest.hasPrefix(":") {
            return nil
        }
        while !rest.isEmpty {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            let group = rest[..<end]
            var words: [UInt16]
            if group.contains(".") {
                guard end == rest.endIndex, let v4 = parseV4(String(group)) else { return nil }
                words = [UInt16(v4[0]) << 8 | UInt16(v4[1]), UInt16(v4[2]) << 8 | UInt16(v4[3])]
            } else {
                guard (1...4).contains(group.utf8.count), group.utf8.allSatisfy({ Hex.value($0) != nil }),
                    let word = UInt16(group, radix: 16)
                else { return nil }
                words = [word]
            }
            if tail != nil { tail!.append(contentsOf: words) } else { head.append(contentsOf: words) }
            guard end < rest.endIndex else { break }
            rest = rest[rest.index(after: end)...]
            if rest.hasPrefix(":") {
                guard tail == nil else { return nil }
                tail = []
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        let count = head.count + (tail?.count ?? 0)
        guard tail == nil ? count == 8 : count < 8 else { return nil }
        let words = head + Array(repeating: 0, count: 8 - count) + (tail ?? [])
        return words.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }

    /// Dotted decimal, or RFC 5952 text.
    public var description: String {
        if isV4 { return bytes.map(String.init).joined(separator: ".") }
        let words = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, words[end] == 0 { end += 1 }
            if end - start > best.count, end - start > 1 { best = start..<end }
            start = max(end, start + 1)
        }
        func join(_ range: Range<Int>) -> String {
            words[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return best.isEmpty ? join(0..<8) : join(0..<best.lowerBound) + "::" + join(best.upperBound..<8)
    }

    /// The address `offset` further on, wrapping at the end of the family's space.
    public func advanced(by offset: UInt64) -> IPAddress {
        var result = bytes
        var carry = offset
        for index in result.indices.reversed() where carry > 0 {
            let sum = UInt64(result[index]) + (carry & 0xff)
            result[index] = UInt8(truncatingIfNeeded: sum)
            carry = (carry >> 8) + (sum >> 8)
        }
        return IPAddress(bytes: result)!
    }

    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        left.bytes.count != right.bytes.count
            ? left.bytes.count < right.bytes.count : left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let address = IPAddress(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "invalid IP address \"\(text)\"")
        }
        self = address
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
