/// Why a certificate, a request, a key or a join token is refused.
public enum PKIError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Bytes that are not what they should be: which, and what is wrong.
    case malformed(String, String)
    /// The text is no join token; the message is Docker's.
    case invalidJoinToken
    /// The cluster's CA is not the one that the join token names.
    case digestMismatch(expected: String)
    /// A certificate signing request whose signature does not hold.
    case requestSignature
    /// No trusted CA has signed the certificate.
    case foreignCertificate
    case notYetValid
    case expired
    /// The certificate must not be used for this: an authority's, or without the usages of a node's.
    case notANodeCertificate(String)
    case wrongNode(expected: String, found: String)
    case wrongRole(expected: PeerIdentity.Role, found: PeerIdentity.Role)
    case wrongCluster(expected: String, found: String)
    /// A certificate for another key than the node's own.
    case keyMismatch
    /// A data key that this manager does not hold; nil where it holds none at all.
    case noDataKey(String?)
    /// A sealed value that was changed, or belongs elsewhere.
    case sealBroken
    /// The text is no unlock key; the message is Docker's.
    case invalidUnlockKey
    /// Keys that are locked; the message is Docker's.
    case locked
    /// Keys that this unlock key does not open; the message is Docker's.
    case wrongUnlockKey
    /// A file could not be read or written.
    case file(String)

    public var description: String {
        switch self {
        case .malformed(let what, let reason): "malformed \(what): \(reason)"
        case .invalidJoinToken: "invalid join token"
        case .digestMismatch(let expected): "remote CA does not match fingerprint. Expected: \(expected)"
        case .requestSignature: "the certificate request's signature does not match its key"
        case .foreignCertificate: "certificate signed by unknown authority"
        case .notYetValid: "the certificate is not valid yet: check the clocks of both hosts"
        case .expired: "the certificate has expired: check the clocks of both hosts, or let the node join again"
        case .notANodeCertificate(let reason): "not a node's certificate: \(reason)"
        case .wrongNode(let expected, let found): "expected node \(expected), found node \(found)"
        case .wrongRole(let expected, let found): "expected a \(expected.rawValue), found a \(found.rawValue)"
        case .wrongCluster(let expected, let found): "expected cluster \(expected), found cluster \(found)"
        case .keyMismatch: "the certificate belongs to another key"
        case .noDataKey(let id):
            "this manager does not hold \(id.map { "data key \($0)" } ?? "a data key"): restore "
                + "\(KeyFile.name) in its cluster directory from another manager"
        case .sealBroken: "a sealed value does not open: it was changed, or belongs to another object"
        case .invalidUnlockKey: "invalid key string"
        case .locked:
            "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker swarm unlock\" to "
                + "unlock it."
        case .wrongUnlockKey: "swarm could not be unlocked: invalid key provided"
        case .file(let reason): reason
        }
    }
}
