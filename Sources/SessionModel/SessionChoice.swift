/// Which manager a host asks for a session first, so that all managers get their share and few hosts move when one of
/// them comes or goes (rendezvous hashing: Thaler and Ravishankar, "A name-based mapping scheme for rendezvous", 1996).
public enum SessionChoice {
    /// The managers in the order in which a node asks them.
    public static func order(_ managers: [String], for nodeID: String) -> [String] {
        managers.map { (weight($0, nodeID), $0) }.sorted { $0 > $1 }.map(\.1)
    }

    /// FNV-1a, 64 bits, with the finish of splitmix64, since its last bytes mix little.
    private static func weight(_ manager: String, _ nodeID: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in [manager.utf8, nodeID.utf8].joined() { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        return hash ^ (hash >> 31)
    }
}
