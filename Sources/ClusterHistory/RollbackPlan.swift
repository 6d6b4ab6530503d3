import ClusterModel
import JSON
import Values

/// What makes the specifications of a state those of an earlier revision.
///
/// Services that came since are removed, those that went are made again under new identifiers, as clients would do it.
/// Networks are made again before the services that use them; those that came since go as soon as nobody uses them.
/// Nodes come and go by joining and leaving, and change their role by promotion: a plan names what it leaves alone.
public struct RollbackPlan: Hashable, Sendable {
    /// What happens to one object.
    public struct Step: Hashable, Sendable {
        public var object: ObjectReference
        public var name: String
        /// `created` is: made again.
        public var change: HistoryRecord.Change
        /// What an update changes.
        public var fields: [SpecificationDifference.Field]
        /// What is not as it was.
        public var remark: String?
    }

    /// An object that stays other than it was.
    public struct Exception: Hashable, Sendable {
        public var object: ObjectReference
        public var name: String
        public var reason: String
    }

    /// A network that is removed when nobody uses it any more.
    public struct Removal: Hashable, Sendable {
        public var networkID: String
        public var name: String
        public var version: ObjectVersion
    }

    public var revision: UInt64
    public var steps: [Step] = []
    public var exceptions: [Exception] = []
    /// One transaction, with the versions that were read.
    public var mutations: [Mutation] = []
    /// What has to wait for tasks to end.
    public var laterRemovals: [Removal] = []

    /// Nothing is other than it was.
    public var isEmpty: Bool { steps.isEmpty }

    /// - Parameters:
    ///   - revision: the one to go back to.
    ///   - past: the specifications of that revision.
    ///   - now: for what is written by the plan.
    public init(
        to revision: UInt64, _ past: [ObjectReference: HistoryRecord], from state: ClusterState, now: Timestamp,
        using generator: inout some RandomNumberGenerator
    ) throws(RollbackRefusal) {
        self.revision = revision
        var planner = RollbackPlanner(past: past, state: state, now: now)
        try planner.plan(using: &generator)
        steps = planner.steps
        exceptions = planner.exceptions
        mutations = planner.mutations
        laterRemovals = planner.laterRemovals
    }
}
