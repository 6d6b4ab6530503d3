import JSON

/// How many managers vote in raft, and when one that is silent loses its vote. Without it every manager votes for good,
/// as in Docker.
///
/// It is the group `Managers` of the cluster's specification, which Docker's clients neither know nor remove: `Voters`,
/// `DemoteAfter`, in nanoseconds, and `Witness`, a node's identifier; 0 and what is missing or empty stand for none.
public struct ManagerPolicy: Hashable, Sendable {
    /// The group's name in the specification.
    public static let group = "Managers"

    /// The most managers that vote; further ones are spares, which have everything but a vote. nil is no limit.
    public var voters: Int?
    /// A manager that the leader has not heard for longer loses its vote to a spare, or where that lets the others
    /// survive one death more. nil is never.
    public var demoteAfterNanoseconds: Int64?
    /// The node, a worker, that votes and keeps the end of the log, so that one of two managers can be lost.
    public var witness: String?

    /// How many voters may be wanted: an odd number, since an even one survives no more deaths than the one before, and
    /// few, since the leader waits for most of them.
    public static let voterCounts = [3, 5, 7]
    /// Longer than sessions take to end and raft to elect, so that only who is gone is silent for so long.
    public static let minimumDemoteNanoseconds: Int64 = 10_000_000_000

    public init(voters: Int? = nil, demoteAfterNanoseconds: Int64? = nil) {
        self.voters = voters
        self.demoteAfterNanoseconds = demoteAfterNanoseconds
    }

    /// What a cluster's specification says.
    public init(specification: JSONValue) {
        let settings = specification[Self.group]
        if let count = settings?["Voters"]?.integer, count > 0 { voters = Int(count) }
        if let time = settings?["DemoteAfter"]?.integer, time > 0 { demoteAfterNanoseconds = time }
        if let id = settings?["Witness"]?.string, !id.isEmpty { witness = id }
    }

    /// Why it cannot be had; nil where it can.
    public var objection: String? {
        if let voters, !Self.voterCounts.contains(voters) {
            return "the number of voting managers is 3, 5 or 7, or 0 for all"
        }
        if let time = demoteAfterNanoseconds, time < Self.minimumDemoteNanoseconds {
            return "a manager can lose its vote after 10s at the earliest"
        }
        return nil
    }
}

extension ClusterObject {
    /// How many managers vote, and which.
    public var managerPolicy: ManagerPolicy { ManagerPolicy(specification: spec) }
}

extension ClusterState {
    /// Whether a node is the cluster's witness.
    public func isWitness(_ nodeID: String) -> Bool {
        nodes[nodeID]?.spec.role == .worker && cluster?.managerPolicy.witness == nodeID
    }
}
