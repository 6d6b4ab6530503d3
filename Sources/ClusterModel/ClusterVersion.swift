/// What the log of a cluster and its state may contain: which mutations, objects and members.
///
/// It rises with what is added to them, not with each version of the program, and never falls. What a version added is
/// written only where the cluster has come to it, since managers that do not know it would stop (docs/consensus.md,
/// "Versions").
public struct ClusterVersion: Hashable, Comparable, Sendable {
    public let number: Int

    public init(_ number: Int) { self.number = number }

    /// Of clusters that do not say which version they have, and of what does not say which one it needs.
    public static let first = ClusterVersion(1)
    /// Transactions say which version they need, the state says which one it has, and the history tells when it rose.
    public static let stated = ClusterVersion(2)
    /// The newest that this program knows.
    public static let newest = stated

    public static func < (left: ClusterVersion, right: ClusterVersion) -> Bool { left.number < right.number }
}

/// A number.
extension ClusterVersion: Codable {
    public init(from decoder: any Decoder) throws {
        number = try decoder.singleValueContainer().decode(Int.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}

extension ClusterVersion: CustomStringConvertible {
    public var description: String { String(number) }
}

/// Which versions of clusters a program can be a manager of.
public struct SupportedVersions: Hashable, Sendable, Codable {
    public let lowest: ClusterVersion
    public let highest: ClusterVersion

    /// nil where no version is between them.
    public init?(lowest: ClusterVersion, highest: ClusterVersion) {
        guard lowest >= .first, lowest <= highest else { return nil }
        self.lowest = lowest
        self.highest = highest
    }

    private init(_ range: ClosedRange<ClusterVersion>) {
        lowest = range.lowerBound
        highest = range.upperBound
    }

    /// This program's.
    public static let own = SupportedVersions(.first ... .newest)
    /// Of programs that do not say it.
    public static let unstated = SupportedVersions(.first ... .first)

    public func contains(_ version: ClusterVersion) -> Bool { lowest <= version && version <= highest }
}

extension SupportedVersions: CustomStringConvertible {
    /// `2`, or `1 to 3`.
    public var description: String { lowest == highest ? "\(lowest)" : "\(lowest) to \(highest)" }
}

/// What a manager's program says of itself.
public struct ManagerVersions: Hashable, Sendable, Codable {
    /// The product's version, for people.
    public var program: String
    public var supported: SupportedVersions

    public init(program: String, supported: SupportedVersions) {
        self.program = program
        self.supported = supported
    }
}
