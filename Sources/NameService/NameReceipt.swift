import NetworkModel

/// What martlet-net answers by, once it does.
public struct NameReceipt: Hashable, Sendable, Codable {
    public var revision: PlanRevision
    /// Sandboxes in which 127.0.0.11 could not be opened, with the reason.
    public var failures: [String: String]

    public init(revision: PlanRevision, failures: [String: String] = [:]) {
        self.revision = revision
        self.failures = failures
    }
}
