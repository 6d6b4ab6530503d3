/// Keeps a manager that joins and a version that rises from passing each other by, on the leader: both take a while to
/// be committed, and whoever comes second has to see the first.
public struct VersionGate: Sendable {
    /// Members that are being added, with what they support for each attempt that is under way.
    private var joining: [UInt64: [SupportedVersions]] = [:]
    private var raising: (version: ClusterVersion, term: UInt64)?

    public init() {}

    /// Lets a member be added that supports certain versions; it counts until `joined` or `failed`.
    ///
    /// - Returns: the version that it would have to support and does not; nil where it may come.
    public mutating func admit(
        _ member: UInt64, _ supported: SupportedVersions, to version: ClusterVersion, term: UInt64
    ) -> ClusterVersion? {
        for needed in [version, raising?.term == term ? raising?.version : nil].compactMap({ $0 })
        where !supported.contains(needed) {
            return needed
        }
        joining[member, default: []].append(supported)
        return nil
    }

    /// A member is one of the group, whose members are asked.
    public mutating func joined(_ member: UInt64) { joining[member] = nil }

    /// An attempt to add a member came to nothing. One that has asked again is still on its way.
    public mutating func failed(_ member: UInt64) {
        joining[member]?.removeFirst()
        if joining[member]?.isEmpty == true { joining[member] = nil }
    }

    /// Lets a version be proposed that all members of the group support; it counts for the rest of the term.
    public mutating func mayRaise(to version: ClusterVersion, term: UInt64) -> Bool {
        guard joining.values.joined().allSatisfy({ $0.contains(version) }) else { return false }
        raising = (version, term)
        return true
    }
}
