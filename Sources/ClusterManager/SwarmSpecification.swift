import ClusterModel
import EngineModel
import JSON
import Values

/// A cluster's specification (Engine API: SwarmSpec, and the group of `ManagerPolicy`): what clients may want of it,
/// laid over what is there.
enum SwarmSpecification {
    /// Docker's defaults. Raft's ticks and the heartbeat are shown for Docker's clients: the times that Martlet uses
    /// are its own and cannot be chosen.
    static let standard: JSONValue = [
        "Name": "default", "Labels": [:], "Orchestration": ["TaskHistoryRetentionLimit": 5],
        "Raft": [
            "SnapshotInterval": 10000, "KeepOldSnapshots": 0, "LogEntriesForSlowFollowers": 500, "ElectionTick": 10,
            "HeartbeatTick": 1,
        ],
        "Dispatcher": ["HeartbeatPeriod": 5_000_000_000],
        "CAConfig": ["NodeCertExpiry": 7_776_000_000_000_000], "TaskDefaults": [:],
        "EncryptionConfig": ["AutoLockManagers": false],
    ]

    /// Docker: MinNodeCertExpiration.
    static let minimumCertificateNanoseconds: Int64 = 3_600_000_000_000

    /// Settings that can be sent, as Docker's clients do with all of them, but not changed.
    private static let fixed: [(group: String, key: String)] = [
        ("Raft", "SnapshotInterval"), ("Raft", "KeepOldSnapshots"), ("Raft", "LogEntriesForSlowFollowers"),
        ("Raft", "ElectionTick"), ("Raft", "HeartbeatTick"), ("Dispatcher", "HeartbeatPeriod"),
    ]

    /// What may not be asked for.
    private static let missing: [(group: String, key: String, what: String)] = [
        ("CAConfig", "ExternalCAs", "an external CA"),
        ("CAConfig", "SigningCACert", "another CA"), ("CAConfig", "SigningCAKey", "another CA"),
        ("CAConfig", "ForceRotate", "rotating the CA"), ("TaskDefaults", "LogDriver", "a default log driver"),
    ]

    /// Settings of which 0 means none, and false no. Of the others what is zero or empty leaves them as they are.
    private static let counts: Set<String> = [
        "TaskHistoryRetentionLimit", "KeepOldSnapshots", "AutoLockManagers", "Voters", "DemoteAfter", "Witness",
    ]

    /// The specification that `wanted` makes of `current`: what it leaves open stays, what cannot be had is refused.
    static func merged(_ wanted: JSONValue, over current: JSONValue) throws(EngineError) -> JSONValue {
        guard let members = wanted.object else { throw EngineError(.invalidParameter, "invalid swarm specification") }
        for (group, key, what) in missing where members[group]?[key]?.asksForSomething == true {
            throw EngineError(.notImplemented, "\(what) is not supported by this version")
        }
        var result = current
        for (group, value) in members where !value.isNull {
            guard let settings = value.object, let old = current[group]?.object, group != "Labels" else {
                if value != "" { result[group] = value }
                continue
            }
            let taken = settings.filter { $1.asksForSomething || counts.contains($0) && !$1.isNull }
            result[group] = .object(old.merging(taken) { $1 })
        }
        for (group, key) in fixed {
            let value = result[group]?[key]
            guard value != current[group]?[key], value != standard[group]?[key] else { continue }
            let text = standard[group]?[key]?.integer.map { "\($0)" } ?? ""
            throw EngineError(
                .notImplemented,
                "changing \(group).\(key) is not supported by this version: leave it out, or send \(text)")
        }
        try check(result)
        return result
    }

    private static func check(_ spec: JSONValue) throws(EngineError) {
        guard let expiry = spec["CAConfig"]?["NodeCertExpiry"]?.integer, expiry >= minimumCertificateNanoseconds else {
            throw EngineError(
                .invalidParameter,
                "rpc error: code = InvalidArgument desc = minimum certificate expiry time is: 1h0m0s")
        }
        guard let limit = spec["Orchestration"]?["TaskHistoryRetentionLimit"]?.integer, limit >= 0 else {
            throw EngineError(.invalidParameter, "the task history limit cannot be negative")
        }
        for (key, value) in spec[ManagerPolicy.group]?.object ?? [:] {
            if key == "Witness", value.string != nil { continue }
            guard ["Voters", "DemoteAfter"].contains(key), let number = value.integer, number >= 0 else {
                throw EngineError(
                    .invalidParameter,
                    "invalid \(ManagerPolicy.group).\(key): use Voters and DemoteAfter, not negative, and Witness, "
                        + "a node's identifier")
            }
        }
        if let objection = ManagerPolicy(specification: spec).objection {
            throw EngineError(.invalidParameter, objection)
        }
    }
}
