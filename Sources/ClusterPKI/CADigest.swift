/// The SHA-256 of a CA certificate's DER bytes, by which a join token pins the cluster.
public struct CADigest: Hashable, Sendable, CustomStringConvertible {
    /// 32 bytes.
    public let bytes: [UInt8]

    /// A digest from its 32 bytes; nil for another count.
    public init?(bytes: some Sequence<UInt8>) {
        let array = Array(bytes)
        guard array.count == 32 else { return nil }
        self.bytes = array
    }

    /// Parses the 50 characters of base 36; nil for anything else.
    public init?(base36 text: some StringProtocol) {
        guard text.utf8.count == Self.base36Length else { return nil }
        var value = [UInt8](repeating: 0, count: 32)
        for character in text.utf8 {
            let digit: UInt8
            switch character {
            case 0x30...0x39: digit = character - 0x30
            case 0x61...0x7a: digit = character - 0x61 + 10
            default: return nil
            }
            var carry = UInt16(digit)
            for index in value.indices.reversed() {
                carry += UInt16(value[index]) * 36
                value[index] = UInt8(truncatingIfNeeded: carry)
                carry >>= 8
            }
            guard carry == 0 else { return nil }
        }
        bytes = value
    }

    /// The number of base 36 characters of a digest.
    public static let base36Length = 50

    /// The value in base 36, most significant digit first, filled up with zeros.
    public var base36: String {
        var value = bytes
        var digits: [UInt8] = []
        for _ in 0..<Self.base36Length {
            var remainder: UInt16 = 0
            for index in value.indices {
                remainder = remainder << 8 | UInt16(value[index])
                value[index] = UInt8(remainder / 36)
                remainder %= 36
            }
            digits.append(UInt8(remainder) + (remainder < 10 ? 0x30 : 0x61 - 10))
        }
        return String(decoding: digits.reversed(), as: UTF8.self)
    }

    public var description: String { base36 }
}
