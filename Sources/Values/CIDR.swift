/// An address with the length of its network prefix: `10.0.1.7/24` (RFC 4632 section 3.1, RFC 4291 section 2.3).
///
/// The host bits are kept, so that it names an interface's address as well as a network.
public struct CIDR: Hashable, Sendable, CustomStringConvertible, Codable {
    public let address: IPAddress
    /// 0 to 32 for IPv4, 0 to 128 for IPv6.
    public let prefixLength: Int

    public init(_ address: IPAddress, prefixLength: Int) {
        precondition((0...address.bitWidth).contains(prefixLength), "a prefix is at most as long as the address")
        self.address = address
        self.prefixLength = prefixLength
    }

    /// Parses `address/length`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(parts[0]), let length = Int(parts[1]),
            (0...address.bitWidth).contains(length), parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        self.init(address, prefixLength: length)
    }

    public var description: String { "\(address)/\(prefixLength)" }

    /// The same network with host bits zero.
    public var network: CIDR {
        var bytes = address.bytes
        for index in bytes.indices {
            let kept = max(0, min(8, prefixLength - index * 8))
            bytes[index] &= kept == 0 ? 0 : 0xff << UInt8(8 - kept)
        }
        return CIDR(IPAddress(bytes: bytes)!, prefixLength: prefixLength)
    }

    /// The number of addresses, network and broadcast included; nil where it exceeds 64 bits.
    public var count: UInt64? {
        let bits = address.bitWidth - prefixLength
        return bits < 64 ? 1 << UInt64(bits) : nil
    }

    /// The `index`-th address of the network, 0 being the network's own.
    public func host(_ index: UInt64) -> IPAddress { network.address.advanced(by: index) }

    /// The last address: IPv4's broadcast address.
    public var last: IPAddress {
        var bytes = network.address.bytes
        for index in bytes.indices {
            let kept = max(0, min(8, prefixLength - index * 8))
            bytes[index] |= kept == 8 ? 0 : 0xff >> UInt8(kept)
        }
        return IPAddress(bytes: bytes)!
    }

    public func contains(_ other: IPAddress) -> Bool {
        other.bytes.count == address.bytes.count && CIDR(other, prefixLength: prefixLength).network == network
    }

    public func overlaps(_ other: CIDR) -> Bool { contains(other.network.address) || other.contains(network.address) }

    /// IPv4's dotted netmask.
    public var netmask: IPAddress {
        IPAddress(
            bytes: address.bytes.indices.map { index in
                let kept = max(0, min(8, prefixLength - index * 8))
                return kept == 0 ? 0 : 0xff << UInt8(8 - kept)
            })!
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let cidr = CIDR(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "invalid CIDR address: \(text)")
        }
        self = cidr
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
