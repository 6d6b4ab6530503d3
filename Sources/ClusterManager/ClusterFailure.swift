import ClusterModel
import ClusterPKI
import ClusterRPC
import ClusterStore
import EngineModel
import RaftNode

extension EngineError {
    static let notManager = EngineError(
        .unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node "
            + "to swarm "
            + "and try again.")
    static let workerOnly = EngineError(
        .unavailable,
        "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this "
            + "command on a manager node or promote the current node to a manager.")
    static let alreadyInSwarm = EngineError(
        .unavailable,
        "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another one.")
    /// This manager's keys are locked.
    static let locked = EngineError(.unavailable, PKIError.locked.description)
    static let lockedLeave = EngineError(
        .unavailable,
        "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.")
    static func isWitness(_ nodeID: String) -> EngineError {
        EngineError(
            .invalidParameter,
            "node \(nodeID) is the cluster's witness: use \"martlet cluster policy --witness none\" first")
    }
    static let roleChanged = EngineError(.unavailable, "The role of this node was changed meanwhile.")
    static let noLeader = EngineError(
        .unavailable,
        "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are "
            + "online. "
            + "Make sure more than half of the managers are online.")

    /// Of a repetition.
    static let forgotten = EngineError(
        .internalError,
        "it is not known whether this was done: its answer was lost, and so much has changed since that asking once "
            + "more could do it twice. Look at what there is, and repeat it where it is missing")

    init(_ refusal: Refusal) {
        switch refusal {
        // Docker's status for it is 500.
        case .versionMismatch: self.init(.internalError, refusal.description)
        case .notFound: self.init(.notFound, refusal.description)
        case .alreadyExists: self.init(.conflict, refusal.description)
        case .inUse(let kind, let id, let user):
            self.init(
                .invalidParameter,
                "rpc error: code = FailedPrecondition desc = \(kind.rawValue) \(id) is in use by \(user)")
        case .portTaken, .notAllowed: self.init(.invalidParameter, refusal.description)
        }
    }

    init(_ error: RaftError) {
        switch error {
        case .notLeader, .leadershipLost, .timedOut, .notAMember, .stopped: self = .noLeader
        case .commandTooLarge: self.init(.invalidParameter, error.description)
        case .tooManyProposals: self.init(.unavailable, error.description)
        case .tooLate: self = .forgotten
        default: self.init(.internalError, error.description)
        }
    }

    init(_ error: PKIError) {
        switch error {
        case .invalidUnlockKey: self.init(.invalidParameter, error.description)
        case .wrongUnlockKey: self.init(.unauthorized, error.description)
        case .locked: self = .locked
        default: self.init(.internalError, error.description)
        }
    }

    init(_ error: ClusterStoreError) {
        switch error {
        case .unsupportedVersion, .newerFile: self.init(.invalidParameter, error.description)
        case .unknownCommand, .corrupted, .storage: self.init(.internalError, error.description)
        }
    }

    init(_ failure: RPCFailure) {
        if let kind = Kind(rawValue: failure.kind.rawValue), failure.source == .handler {
            self.init(kind, failure.message)
        } else {
            self.init(.unavailable, failure.message)
        }
    }

    init(any error: any Error) {
        switch error {
        case let error as EngineError: self = error
        case let error as RaftError: self.init(error)
        case let error as RPCFailure: self.init(error)
        case let error as Refusal: self.init(error)
        case let error as PKIError: self.init(error)
        case let error as ClusterStoreError: self.init(error)
        default: self.init(.internalError, "\(error)")
        }
    }

    var failure: RPCFailure { RPCFailure(RPCFailure.Kind(rawValue: kind.rawValue) ?? .internalError, message) }
}
