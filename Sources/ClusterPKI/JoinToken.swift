import Values

/// What lets a host join a cluster: the digest of the cluster's CA, and a secret that stands for a role.
///
/// Written as in Docker's swarm mode: `SWMTKN-1-<digest, 50 characters of base 36>-<secret, 25 characters of base 36>`.
public struct JoinToken: Hashable, Sendable {
    public let digest: CADigest
    /// 25 characters of base 36. Never log it.
    public let secret: String

    /// The number of characters of a secret.
    public static let secretLength = 25
    private static let prefix = "SWMTKN"
    private static let version = "1"

    /// A new token for the cluster whose CA has this digest.
    public init(digest: CADigest, using generator: inout some RandomNumberGenerator) {
        self.digest = digest
        secret = Identifiers.base36(count: Self.secretLength, using: &generator)
    }

    /// Parses a token's text; anything else is Docker's "invalid join token".
    public init(parsing text: some StringProtocol) throws(PKIError) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == Self.prefix, parts[1] == Self.version,
            let digest = CADigest(base36: parts[2]), parts[3].utf8.count == Self.secretLength,
            parts[3].utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) })
        else { throw PKIError.invalidJoinToken }
        self.digest = digest
        secret = String(parts[3])
    }

    /// The token as clients pass it on.
    public var text: String { "\(Self.prefix)-\(Self.version)-\(digest.base36)-\(secret)" }

    /// Whether `other` is the same token, in a time that does not depend on where they differ.
    public func matches(_ other: JoinToken) -> Bool {
        let left = Array(text.utf8)
        let right = Array(other.text.utf8)
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
