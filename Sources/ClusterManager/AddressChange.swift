import Values

/// What becomes of the address that peers use when this host's own addresses change.
enum AddressChange: Hashable {
    /// It stays; noted is the interface that has it, which is nil for an address that never was this host's own, such
    /// as a router's that passes the port on.
    case stays(interface: String?)
    case moved(to: String, interface: String)
    /// It is gone, and nothing says yet what comes in its place.
    case gone

    /// Decides.
    ///
    /// - Parameters:
    ///   - recorded: the address that peers use, as it was chosen.
    ///   - interface: which interface had it when that was last seen; nil for none.
    ///   - present: the host's addresses now, without those of the engine's own interfaces.
    ///   - route: from where the kernel would speak to another manager.
    ///   - isPatient: the interface may have its next address in a moment.
    static func decide(
        recorded: String, interface: String?, present: [(interface: String, address: IPAddress)], route: IPAddress?,
        isPatient: Bool
    ) -> AddressChange {
        guard let own = IPAddress(recorded) else { return .stays(interface: nil) }
        if let found = present.first(where: { $0.address == own }) { return .stays(interface: found.interface) }
        guard let interface else { return .stays(interface: nil) }
        // What listens does so for one family.
        let candidates = present.filter { $0.address.isV4 == own.isV4 }
        let near = candidates.filter { $0.interface == interface }
        if let chosen = near.first(where: { $0.address == route }) ?? near.first {
            return .moved(to: chosen.address.description, interface: interface)
        }
        if isPatient { return .gone }
        let only = candidates.count == 1 ? candidates[0] : nil
        guard let chosen = candidates.first(where: { $0.address == route }) ?? only else { return .gone }
        return .moved(to: chosen.address.description, interface: chosen.interface)
    }
}
