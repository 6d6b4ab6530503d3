import JSON
import Values

/// The cluster itself (Engine API: Swarm).
public struct ClusterObject: Hashable, Sendable, Codable {
    public let id: String
    public var version = ObjectVersion.none
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    /// The specification as the client wrote it (Engine API: SwarmSpec), with Docker's defaults beneath.
    public var spec: JSONValue
    /// Whether other hosts may join: `swarm init` was called.
    public var isOpen: Bool
    /// The CA's certificate, PEM.
    public var rootCertificate: String
    /// The CA's private key, PEM.
    public var rootKey: SealedValue
    public var workerToken: SealedValue
    public var managerToken: SealedValue
    /// The data key under which values are sealed: every manager has it. nil where no version that names it has led.
    public var sealingKey: String?
    /// What locks managers' keys on their disks where the specification wants that; nil where it does not.
    public var unlockKey: SealedValue?
    /// Pools for overlay subnets, and the length of those cut from them.
    public var addressPools: [CIDR]
    public var subnetSize: Int
    public var dataPathPort: UInt16
    /// The pool from which hosts get their gateway blocks.
    public var gatewayPool: CIDR
    /// The next VXLAN network identifier; they are not reused.
    public var nextVNI: UInt32
    /// Names the log that revisions count in: a restore and a recovery begin a new one. nil for the first.
    public var history: String?

    public init(
        id: String, createdAt: Timestamp, spec: JSONValue, rootCertificate: String, rootKey: SealedValue,
        workerToken: SealedValue, managerToken: SealedValue, addressPools: [CIDR], subnetSize: Int,
        dataPathPort: UInt16, gatewayPool: CIDR
    ) {
        self.id = id
        self.createdAt = createdAt
        updatedAt = createdAt
        self.spec = spec
        isOpen = false
        self.rootCertificate = rootCertificate
        self.rootKey = rootKey
        self.workerToken = workerToken
        self.managerToken = managerToken
        self.addressPools = addressPools
        self.subnetSize = subnetSize
        self.dataPathPort = dataPathPort
        self.gatewayPool = gatewayPool
        nextVNI = 4097
    }

    /// What of it is sealed.
    public enum SealedField: String, CaseIterable, Sendable {
        case rootKey, workerToken, managerToken, unlockKey
    }

    /// A sealed field's value; nil where there is none.
    public subscript(field: SealedField) -> SealedValue? {
        get {
            switch field {
            case .rootKey: rootKey
            case .workerToken: workerToken
            case .managerToken: managerToken
            case .unlockKey: unlockKey
            }
        }
        set {
            switch (field, newValue) {
            case (.rootKey, let value?): rootKey = value
            case (.workerToken, let value?): workerToken = value
            case (.managerToken, let value?): managerToken = value
            case (.unlockKey, _): unlockKey = newValue
            // What every cluster has.
            case (_, nil): break
            }
        }
    }

    /// Where a field of the cluster with this identifier belongs.
    public static func place(_ id: String, _ field: SealedField) -> SealedValue.Place {
        .init(kind: .cluster, id: id, field: field.rawValue)
    }

    /// The name of the log that revisions count in.
    public var historyID: String { history ?? id }

    /// Finished tasks kept per slot (Engine API: SwarmSpec, Orchestration, TaskHistoryRetentionLimit).
    public var taskHistoryLimit: Int {
        Int(spec["Orchestration"]?["TaskHistoryRetentionLimit"]?.integer ?? 5)
    }

    /// Whether managers lock their keys (Engine API: SwarmSpec, EncryptionConfig, AutoLockManagers).
    public var locksManagers: Bool { spec["EncryptionConfig"]?["AutoLockManagers"]?.bool ?? false }

    /// How long nodes' certificates are issued for, in seconds (Engine API: SwarmSpec, CAConfig, NodeCertExpiry).
    public var certificateLifetimeSeconds: Int64 {
        (spec["CAConfig"]?["NodeCertExpiry"]?.integer ?? 7_776_000_000_000_000) / 1_000_000_000
    }
}
