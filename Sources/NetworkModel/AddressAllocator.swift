import Values

/// Hands out the host addresses of a subnet: lowest first, and those given back oldest first, after all others.
///
/// The network's own address and IPv4's broadcast address are never given out.
public struct AddressAllocator: Hashable, Sendable, Codable {
    public let subnet: CIDR
    private var taken: Set<IPAddress>
    private var returned: [IPAddress]
    private var next: UInt64

    /// - Parameter reserved: addresses in use already: gateways, endpoints read back after a restart.
    public init(subnet: CIDR, reserved: some Sequence<IPAddress> = []) {
        self.subnet = subnet.network
        taken = Set(reserved)
        returned = []
        next = 1
    }

    /// The addresses given out and not given back, the reserved ones included.
    public var used: Set<IPAddress> { taken }

    /// The next address; nil where all are taken.
    public mutating func allocate() -> IPAddress? {
        let end = Self.end(of: subnet)
        while next < end {
            let candidate = subnet.host(next)
            next += 1
            if !taken.contains(candidate), !returned.contains(candidate) {
                taken.insert(candidate)
                return candidate
            }
        }
        guard !returned.isEmpty else { return nil }
        let oldest = returned.removeFirst()
        taken.insert(oldest)
        return oldest
    }

    /// Takes an address that somebody asks for by name; false where it is taken or no host address of the subnet.
    public mutating func take(_ address: IPAddress) -> Bool {
        guard subnet.contains(address), address != subnet.address, !address.isV4 || address != subnet.last,
            taken.insert(address).inserted
        else { return false }
        returned.removeAll { $0 == address }
        return true
    }

    public mutating func release(_ address: IPAddress) {
        if taken.remove(address) != nil { returned.append(address) }
    }

    /// The first free host address after `cursor`, around the subnet once: for state that keeps a cursor of its own, so
    /// that addresses come back as late as possible.
    public static func firstFree(in subnet: CIDR, after cursor: IPAddress?, used: Set<IPAddress>) -> IPAddress? {
        let network = subnet.network
        let end = end(of: network)
        guard end > 1 else { return nil }
        var index: UInt64 = 1
        if let cursor, let value = cursor.v4Value, let first = network.address.v4Value, network.contains(cursor) {
            index = UInt64(value &- first) + 1
        }
        for _ in 1..<min(end, UInt64(used.count) + 3) {
            if index >= end { index = 1 }
            let candidate = network.host(index)
            if !used.contains(candidate) { return candidate }
            index += 1
        }
        return nil
    }

    /// One past the number of the last host address.
    private static func end(of subnet: CIDR) -> UInt64 {
        guard let count = subnet.count else { return .max }
        return subnet.address.isV4 && count > 2 ? count - 1 : count
    }
}
