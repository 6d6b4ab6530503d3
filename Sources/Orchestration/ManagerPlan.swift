import ClusterModel
import Values

/// A member of raft as the leader sees it, and what its node's row says.
public struct ManagerStanding: Hashable, Sendable {
    /// Its identity in raft.
    public var member: UInt64
    public var nodeID: String
    public var votes: Bool
    public var isLeader: Bool
    /// Its node's role is manager, or it is the witness.
    public var isWanted: Bool
    /// It votes and cannot lead.
    public var isWitness: Bool
    /// For how long the leader has not heard it; 0 where it does.
    public var silentNanoseconds: Int64
    /// It lacks so little of the log that it can vote at once.
    public var hasCaughtUp: Bool
    /// When its node joined.
    public var joinedAt: Timestamp

    public init(
        member: UInt64, nodeID: String, votes: Bool, isLeader: Bool, isWanted: Bool, isWitness: Bool = false,
        silentNanoseconds: Int64,
        hasCaughtUp: Bool, joinedAt: Timestamp
    ) {
        self.member = member
        self.nodeID = nodeID
        self.votes = votes
        self.isLeader = isLeader
        self.isWanted = isWanted
        self.isWitness = isWitness
        self.silentNanoseconds = silentNanoseconds
        self.hasCaughtUp = hasCaughtUp
        self.joinedAt = joinedAt
    }

    public var isHeard: Bool { silentNanoseconds == 0 }
}

/// The next change of raft's members: what the nodes' roles and the policy want, as one change that leaves a majority
/// of the voters alive.
public struct ManagerPlan: Hashable, Sendable {
    public enum Change: Hashable, Sendable {
        /// It gets a vote.
        case promote(UInt64)
        /// It loses its vote and stays as a spare.
        case demote(UInt64)
        /// It is no manager any more.
        case remove(UInt64)
    }

    /// To be carried out together; empty where nothing is to do.
    public var changes: [Change] = []
    /// The leader itself is no longer wanted: it has to hand over to this voter, and that one goes on.
    public var successor: UInt64?

    /// A voter that is silent for a shorter time may be one that a new leader has not heard yet, or that is back in a
    /// moment.
    public static let settlingNanoseconds = ManagerPolicy.minimumDemoteNanoseconds

    /// Decides from who is a member now.
    ///
    /// - Who is no manager any more goes; the leader hands over to one that stays, as soon as there is one.
    /// - Whoever has caught up votes as long as there are fewer voters than the policy wants, those that joined first.
    /// - A voter that was silent for too long changes places with a spare. Without one it loses its vote where an odd
    ///   number of voters is left: that is where the others can lose one more.
    /// - Beyond the number that is wanted voters become spares: those that are silent, then those that joined last.
    ///   That can wait until it is plain who is silent.
    ///
    /// The policy's own changes never leave the living voters with fewer deaths to survive than before, but for the
    /// number that is wanted, which survives one at least.
    public static func next(_ standings: [ManagerStanding], _ policy: ManagerPolicy) -> ManagerPlan {
        var plan = ManagerPlan()
        var unwanted = standings.filter { !$0.isWanted }
        if unwanted.contains(where: \.isLeader) {
            let stays = standings.filter {
                $0.votes && $0.isWanted && !$0.isWitness && $0.isHeard && $0.hasCaughtUp
            }
            plan.successor = stays.sorted(by: staysBefore).first?.member
            if plan.successor != nil { return plan }
            unwanted.removeAll(where: \.isLeader)
        }
        plan.changes = changes(standings, removing: unwanted, policy)
        guard !isSafe(plan.changes, standings) else { return plan }
        // A manager that lives goes when enough others do.
        plan.changes = changes(standings, removing: unwanted.filter { !$0.votes || !$0.isHeard }, policy)
        if !isSafe(plan.changes, standings) { plan.changes = [] }
        return plan
    }

    private static func changes(
        _ standings: [ManagerStanding], removing unwanted: [ManagerStanding], _ policy: ManagerPolicy
    ) -> [Change] {
        var demoted: [ManagerStanding] = []
        var promoted: [ManagerStanding] = []
        var voters = standings.filter { $0.votes && !unwanted.contains($0) }.sorted(by: staysBefore)
        var spares = standings.filter { !$0.votes && $0.isWanted && $0.isHeard && $0.hasCaughtUp }
            .sorted(by: staysBefore)
        let target = policy.voters ?? .max
        if voters.allSatisfy({ $0.isHeard || $0.silentNanoseconds >= settlingNanoseconds }) {
            while voters.count > target { demoted.append(voters.removeLast()) }
        }
        while voters.count + promoted.count < target, !spares.isEmpty { promoted.append(spares.removeFirst()) }
        var dead = voters.filter { voter in
            !voter.isLeader && policy.demoteAfterNanoseconds.map { voter.silentNanoseconds >= $0 } ?? false
        }
        while !spares.isEmpty, let gone = dead.popLast() {
            voters.removeAll { $0 == gone }
            demoted.append(gone)
            promoted.append(spares.removeFirst())
        }
        let isOddWithout = (voters.count + promoted.count - dead.count) % 2 == 1
        demoted += dead.suffix(isOddWithout ? dead.count : max(0, dead.count - 1))
        return unwanted.map { .remove($0.member) } + promoted.map { .promote($0.member) }
            + demoted.map { .demote($0.member) }
    }

    /// Who rather keeps its vote: the leader, whoever is heard, whoever joined first.
    private static func staysBefore(_ one: ManagerStanding, _ other: ManagerStanding) -> Bool {
        if one.isLeader != other.isLeader { return one.isLeader }
        if one.silentNanoseconds != other.silentNanoseconds { return one.silentNanoseconds < other.silentNanoseconds }
        return (one.joinedAt, one.nodeID) < (other.joinedAt, other.nodeID)
    }

    /// Whether a majority of those that vote now is heard, and one of those that vote afterwards.
    private static func isSafe(_ changes: [Change], _ standings: [ManagerStanding]) -> Bool {
        let after = standings.filter { standing in
            let id = standing.member
            if changes.contains(.remove(id)) || changes.contains(.demote(id)) { return false }
            return standing.votes || changes.contains(.promote(id))
        }
        return changes.isEmpty
            || [standings.filter(\.votes), after].allSatisfy { voters in
                voters.count(where: \.isHeard) > voters.count / 2
            }
    }

    /// Whether raft can do without a manager: the other voters live in sufficient number. Docker's word for it is a
    /// quorum (swarmkit: CanRemoveMember).
    ///
    /// - Parameters:
    ///   - voters: the nodes that vote.
    ///   - living: the nodes that the managers hear.
    public static func canLose(_ nodeID: String, voters: Set<String>, living: Set<String>) -> Bool {
        guard voters.contains(nodeID) else { return true }
        let others = voters.subtracting([nodeID])
        return others.intersection(living).count > others.count / 2
    }
}
