/// The five sets of capabilities(7) as masks.
public struct CapabilitySets: Hashable, Sendable {
    public var bounding: UInt64 = 0
    public var effective: UInt64 = 0
    public var inheritable: UInt64 = 0
    public var permitted: UInt64 = 0
    public var ambient: UInt64 = 0

    /// Names that nobody knows are left out, as runc does; without a configuration all sets are empty.
    public init(_ configuration: ProcessConfiguration.Capabilities?) {
        func mask(_ names: [String]?) -> UInt64 { (names ?? []).reduce(0) { $0 | (Capability.bit(of: $1) ?? 0) } }
        bounding = mask(configuration?.bounding)
        effective = mask(configuration?.effective)
        inheritable = mask(configuration?.inheritable)
        permitted = mask(configuration?.permitted)
        ambient = mask(configuration?.ambient)
    }

    /// What is left where a process holds no more than `permitted` and may get no more than `bounding`.
    public func cut(permitted held: UInt64, bounding limit: UInt64) -> CapabilitySets {
        var result = self
        result.bounding &= limit
        result.permitted &= held
        result.effective &= result.permitted
        // capabilities(7): ambient ones are permitted and inheritable too.
        result.inheritable &= held
        result.ambient &= result.permitted & result.inheritable
        return result
    }
}

extension ProcessConfiguration.Capabilities {
    /// As Docker gives them: the same bounding, effective and permitted ones, none to be inherited (CVE-2022-24769).
    public init(mask: UInt64) {
        self.init()
        let names = Capability.names.enumerated().filter { mask >> UInt64($0.offset) & 1 != 0 }.map {
            "CAP_" + $0.element
        }
        bounding = names
        effective = names
        permitted = names
    }
}
