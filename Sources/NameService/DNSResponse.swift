import NetworkModel
import Values

/// An answer on its way out.
struct DNSResponse: Hashable, Sendable {
    /// RFC 1035 section 4.1.1; BADVERS from RFC 6891.
    enum Code: UInt16, Sendable {
        case success = 0
        case malformed = 1
        case serverFailure = 2
        case nameError = 3
        case notImplemented = 4
        case badVersion = 16
    }

    enum Record: Hashable, Sendable {
        case address(IPAddress)
        case pointer(DNSName)
    }

    var query: DNSQuery
    var code: Code
    var records: [Record] = []

    static let typeA: UInt16 = 1
    static let typePTR: UInt16 = 12
    static let typeAAAA: UInt16 = 28
    static let classInternet: UInt16 = 1
    static let classAny: UInt16 = 255
    /// The largest answer over UDP where the client says nothing (RFC 1035 section 2.3.4).
    static let plainLimit = 512
    /// The largest over UDP where it does; the way is the loopback device.
    static let extendedLimit = 4096
    /// The largest over TCP (RFC 1035 section 4.2.2).
    static let streamLimit = 65_535
    private static let flagResponse: UInt16 = 0x8000
    private static let flagTruncated: UInt16 = 0x0200
    private static let flagRecursionDesired: UInt16 = 0x0100
    private static let flagRecursionAvailable: UInt16 = 0x0080

    /// The message; over UDP cut to what the client takes, whole records only, with the truncation flag.
    func wire(overTCP isStream: Bool) -> [UInt8] {
        let extended = query.extended
        let option = extended == nil ? [] : self.option
        let udpLimit = extended.map { min(max(Self.plainLimit, Int($0.payloadLimit)), Self.extendedLimit) }
        let limit = isStream ? Self.streamLimit : udpLimit ?? Self.plainLimit
        var body = query.question
        var written: UInt16 = 0
        var isTruncated = false
        for record in records {
            let bytes = Self.bytes(record)
            guard DNSQuery.headerLength + body.count + bytes.count + option.count <= limit else {
                isTruncated = true
                break
            }
            body += bytes
            written += 1
        }
        var flags = Self.flagResponse | Self.flagRecursionAvailable | code.rawValue & 0x0f
        if query.isRecursionDesired { flags |= Self.flagRecursionDesired }
        if isTruncated { flags |= Self.flagTruncated }
        let header = [query.id, flags, 1, written, 0, option.isEmpty ? 0 : 1]
        return header.flatMap(Self.big) + body + option
    }

    /// An answer to bytes whose question could not be read.
    static func refusal(_ code: Code, id: UInt16) -> [UInt8] {
        [id, flagResponse | code.rawValue, 0, 0, 0, 0].flatMap(big)
    }

    /// Our own OPT record.
    private var option: [UInt8] {
        [0] + Self.big(DNSQuery.typeOPT) + Self.big(UInt16(Self.extendedLimit)) + [
            UInt8(code.rawValue >> 4), 0, 0, 0, 0, 0,
        ]
    }

    /// A record about the name in the question, to which a compression pointer leads.
    private static func bytes(_ record: Record) -> [UInt8] {
        let type: UInt16
        let data: [UInt8]
        switch record {
        case .address(let address):
            type = address.isV4 ? typeA : typeAAAA
            data = address.bytes
        case .pointer(let name):
            type = typePTR
            data = name.wire
        }
        let lifetime = DNSPicture.timeToLiveSeconds
        return [0xc0, UInt8(DNSQuery.headerLength)] + big(type) + big(classInternet)
            + big(UInt16(lifetime >> 16)) + big(UInt16(truncatingIfNeeded: lifetime)) + big(UInt16(data.count)) + data
    }

    static func big(_ word: UInt16) -> [UInt8] { [UInt8(word >> 8), UInt8(truncatingIfNeeded: word)] }
}
