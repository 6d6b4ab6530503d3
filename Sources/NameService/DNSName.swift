/// A domain name as its labels (RFC 1035 section 3.1).
struct DNSName: Hashable, Sendable {
    /// Each 1 to 63 bytes, none for the root.
    let labels: [[UInt8]]

    /// The most bytes of a name on the wire, its closing zero included.
    static let limit = 255
    static let labelLimit = 63
    /// The most compression pointers followed in one name. Each must point further back, so there is no endless
    /// chain; this bounds the work.
    static let pointerLimit = 16

    /// A name from text, with or without the dot at its end; nil where it has an empty or too long part.
    init?(_ text: some StringProtocol) {
        var parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Array($0.utf8) }
        if parts.last?.isEmpty == true { parts.removeLast() }
        guard parts.allSatisfy({ (1...Self.labelLimit).contains($0.count) }),
            parts.reduce(1, { $0 + $1.count + 1 }) <= Self.limit
        else { return nil }
        labels = parts
    }

    /// Reads a name, following compression pointers backwards (RFC 1035 section 4.1.4), and leaves `offset` behind it.
    init(reading message: ArraySlice<UInt8>, at offset: inout Int) throws(DNSError) {
        var labels: [[UInt8]] = []
        var length = 1
        var pointers = 0
        var position = offset
        var lowest = offset
        var end: Int?
        while true {
            guard position < message.endIndex else { throw DNSError.truncated }
            let first = message[position]
            switch first >> 6 {
            case 0:
                if first == 0 {
                    offset = end ?? position + 1
                    self.labels = labels
                    return
                }
                let next = position + 1 + Int(first)
                guard next <= message.endIndex else { throw DNSError.truncated }
                length += Int(first) + 1
                guard length <= Self.limit else { throw DNSError.malformed }
                labels.append(Array(message[position + 1..<next]))
                position = next
            case 3:
                guard position + 1 < message.endIndex else { throw DNSError.truncated }
                let target = message.startIndex + Int(first & 0x3f) << 8 + Int(message[position + 1])
                pointers += 1
                guard target < lowest, pointers <= Self.pointerLimit else { throw DNSError.malformed }
                end = end ?? position + 2
                lowest = target
                position = target
            default: throw DNSError.malformed
            }
        }
    }

    /// The name without compression.
    var wire: [UInt8] { labels.flatMap { [UInt8($0.count)] + $0 } + [0] }

    /// The name as text without a dot at its end; nil where a label holds a byte that text would not show as it is.
    var text: String? {
        let isPlain = labels.allSatisfy { $0.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x2e && $0 != 0x5c } }
        return isPlain ? labels.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".") : nil
    }
}

/// Why bytes are no DNS message.
enum DNSError: Error, Hashable {
    case truncated
    case malformed
}
