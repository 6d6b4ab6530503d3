import Values

/// Where addresses and identifiers of networks come from unless somebody chooses otherwise.
public enum OverlayDefaults {
    /// Docker: default-addr-pool of `swarm init`.
    public static let pool = SubnetPool(base: CIDR("10.0.0.0/8")!, prefixLength: 24)
    /// Gateway bridges' blocks: 4,096 hosts with 1,021 tasks each. Overlay subnets keep clear of it.
    public static let gatewayPool = CIDR("10.192.0.0/10")!
    public static let gatewayBlocks = SubnetPool(base: gatewayPool, prefixLength: 22)
    /// The identifier of the ingress segment; overlay networks count upwards from the next.
    public static let ingressVNI: UInt32 = 4096
    /// What VXLAN's 24 bits leave for overlay networks (RFC 7348 section 5).
    public static let vniRange: ClosedRange<UInt32> = 4097...0xff_ffff
    /// RFC 7348: VXLAN's UDP port.
    public static let port: UInt16 = 4789
    /// Bytes that VXLAN adds over IPv4: outer IP 20, UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348 section 5).
    public static let overheadV4 = 50
    public static let overheadV6 = 70
}

/// Subnets of local bridge networks (Docker: default-address-pools).
public enum BridgeDefaults {
    public static let subnet = CIDR("172.17.0.0/16")!
    public static let pools: [SubnetPool] =
        (18...31).map { SubnetPool(base: CIDR("172.\($0).0.0/16")!, prefixLength: 16) }
        + [SubnetPool(base: CIDR("192.168.0.0/16")!, prefixLength: 20)]
}

/// A network that is cut into subnets of one size.
public struct SubnetPool: Hashable, Sendable, Codable {
    public let base: CIDR
    public let prefixLength: Int

    public init(base: CIDR, prefixLength: Int) {
        precondition(prefixLength >= base.prefixLength, "subnets are at most as large as their pool")
        self.base = base.network
        self.prefixLength = prefixLength
    }

    /// The lowest subnet that overlaps none of those given; nil where the pool is used up.
    ///
    /// - Parameter used: subnets of networks that exist, routes of the host.
    public func firstFree(avoiding used: some Sequence<CIDR>) -> CIDR? {
        var free = free(avoiding: used)
        return free.next()
    }

    /// The subnets that overlap none of those given, the lowest first.
    public func free(avoiding used: some Sequence<CIDR>) -> FreeSubnets { FreeSubnets(of: self, avoiding: used) }
}

/// The subnets of a pool that are free, the lowest first.
public struct FreeSubnets: IteratorProtocol {
    private let pool: SubnetPool
    /// Addresses in a subnet. All numbers are counted from the pool's first address.
    private let size: UInt128
    /// The last address of the pool.
    private let last: UInt128
    /// What is taken, the highest first.
    private var taken: [(first: UInt128, last: UInt128)]
    /// Where the next subnet would begin; nil at the end.
    private var place: UInt128? = 0

    fileprivate init(of pool: SubnetPool, avoiding used: some Sequence<CIDR>) {
        self.pool = pool
        size = 1 << UInt128(pool.base.address.bitWidth - pool.prefixLength)
        let begin = Self.number(pool.base.address)
        let last = Self.number(pool.base.last) - begin
        self.last = last
        taken = used.filter { $0.overlaps(pool.base) }
            .map { taken in
                let first = Self.number(taken.network.address)
                return (first < begin ? 0 : first - begin, min(Self.number(taken.last) - begin, last))
            }
            .sorted { $0.first > $1.first }
    }

    /// The next one; nil where there is none any more.
    public mutating func next() -> CIDR? {
        while let place {
            guard let next = taken.last, next.first <= place + (size - 1) else {
                goOn(behind: place)
                return CIDR(address(place), prefixLength: pool.prefixLength)
            }
            taken.removeLast()
            if next.last >= place { goOn(behind: next.last) }
        }
        return nil
    }

    /// Goes on with the subnet behind that of an address.
    private mutating func goOn(behind address: UInt128) {
        let end = address | (size - 1)
        place = end < last ? end + 1 : nil
    }

    private static func number(_ address: IPAddress) -> UInt128 {
        address.bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    private func address(_ offset: UInt128) -> IPAddress {
        let number = Self.number(pool.base.address) + offset
        let places = pool.base.address.bytes.indices.reversed()
        return IPAddress(bytes: places.map { UInt8(truncatingIfNeeded: number >> (8 * UInt128($0))) })!
    }
}

extension Sequence where Element == SubnetPool {
    /// The first free subnet of the first pool that has one.
    public func firstFree(avoiding used: [CIDR]) -> CIDR? {
        for pool in self { if let subnet = pool.firstFree(avoiding: used) { return subnet } }
        return nil
    }
}
