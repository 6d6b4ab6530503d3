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
    public func firstFree(avoiding used: [CIDR]) -> CIDR? {
        let step = UInt64(1) << UInt64(base.address.bitWidth - prefixLength)
        let count = UInt64(1) << UInt64(min(63, prefixLength - base.prefixLength))
        let relevant = used.filter { $0.overlaps(base) }
        var index: UInt64 = 0
        while index < count {
            let candidate = CIDR(base.address.advanced(by: index &* step), prefixLength: prefixLength)
            guard let clash = relevant.first(where: { $0.overlaps(candidate) }) else { return candidate }
            // Past the larger of the two, so that one large neighbour is not walked subnet by subnet.
            if clash.prefixLength < prefixLength, let first = base.address.v4Value, let last = clash.last.v4Value {
                index = max(index + 1, (UInt64(last &- first) + 1) / step)
            } else {
                index += 1
            }
        }
        return nil
    }
}

extension Sequence where Element == SubnetPool {
    /// The first free subnet of the first pool that has one.
    public func firstFree(avoiding used: [CIDR]) -> CIDR? {
        for pool in self { if let subnet = pool.firstFree(avoiding: used) { return subnet } }
        return nil
    }
}
