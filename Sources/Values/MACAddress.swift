/// An EUI-48 link-layer address, written with colons.
public struct MACAddress: Hashable, Sendable, CustomStringConvertible, Codable {
    /// Six bytes.
    public let bytes: [UInt8]

    public init?(bytes: some Sequence<UInt8>) {
        let array = Array(bytes)
        guard array.count == 6 else { return nil }
        self.bytes = array
    }

    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard let decoded = Hex.decode(part), decoded.count == 1 else { return nil }
            bytes.append(decoded[0])
        }
        self.bytes = bytes
    }

    /// The locally administered address that Docker derives from an IPv4 address: `02:42` and its four bytes.
    public init?(derivedFrom address: IPAddress) {
        guard address.isV4 else { return nil }
        bytes = [0x02, 0x42] + address.bytes
    }

    public var description: String { bytes.map { Hex.encode([$0]) }.joined(separator: ":") }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let address = MACAddress(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "invalid MAC address \"\(text)\"")
        }
        self = address
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
