/// A question as it comes in (RFC 1035 section 4.1, RFC 6891 for EDNS).
struct DNSQuery: Hashable, Sendable {
    var id: UInt16
    var operation: UInt8
    var isRecursionDesired: Bool
    var name: DNSName
    var type: UInt16
    var recordClass: UInt16
    /// The question's bytes, which the answer repeats as they are.
    var question: [UInt8]
    var extended: Extension?

    /// What the OPT record says.
    struct Extension: Hashable, Sendable {
        /// The largest answer over UDP that the client takes, in bytes.
        var payloadLimit: UInt16
        var version: UInt8
    }

    static let headerLength = 12
    static let typeOPT: UInt16 = 41
    /// The most records behind the question that are looked through for OPT.
    static let recordLimit = 8

    /// What can be said of bytes that are no readable question.
    enum Refusal: Error, Hashable {
        /// No answer at all: too short, or an answer itself.
        case ignored
        /// Answer FORMERR.
        case malformed(id: UInt16)
        /// Answer NOTIMP.
        case notImplemented(id: UInt16)
    }

    init(parsing message: ArraySlice<UInt8>) throws(Refusal) {
        guard message.count >= Self.headerLength else { throw Refusal.ignored }
        func word(_ offset: Int) -> UInt16 {
            UInt16(message[message.startIndex + offset]) << 8 | UInt16(message[message.startIndex + offset + 1])
        }
        id = word(0)
        let flags = word(2)
        guard flags & 0x8000 == 0 else { throw Refusal.ignored }
        operation = UInt8(flags >> 11 & 0x0f)
        guard operation == 0 else { throw Refusal.notImplemented(id: id) }
        isRecursionDesired = flags & 0x0100 != 0
        let records = Int(word(6)) + Int(word(8)) + Int(word(10))
        guard word(4) == 1, records <= Self.recordLimit else { throw Refusal.malformed(id: id) }
        do {
            var offset = message.startIndex + Self.headerLength
            let start = offset
            name = try DNSName(reading: message, at: &offset)
            type = try Self.word(message, &offset)
            recordClass = try Self.word(message, &offset)
            question = Array(message[start..<offset])
            extended = nil
            for _ in 0..<records {
                let owner = try DNSName(reading: message, at: &offset)
                let type = try Self.word(message, &offset)
                let size = try Self.word(message, &offset)
                // For OPT, what is elsewhere the time to live: extended code, version, flags (RFC 6891 section 6.1.3).
                let version = UInt8(truncatingIfNeeded: try Self.word(message, &offset))
                _ = try Self.word(message, &offset)
                let length = try Self.word(message, &offset)
                guard offset + Int(length) <= message.endIndex else { throw DNSError.truncated }
                if type == Self.typeOPT {
                    guard owner.labels.isEmpty, extended == nil else { throw DNSError.malformed }
                    extended = Extension(payloadLimit: size, version: version)
                }
                offset += Int(length)
            }
        } catch {
            throw Refusal.malformed(id: id)
        }
    }

    private static func word(_ message: ArraySlice<UInt8>, _ offset: inout Int) throws(DNSError) -> UInt16 {
        guard offset + 2 <= message.endIndex else { throw DNSError.truncated }
        defer { offset += 2 }
        return UInt16(message[offset]) << 8 | UInt16(message[offset + 1])
    }
}
