import RaftCore

/// Something for the node's thread.
enum Event: Sendable {
    case message(RaftMessage, from: String)
    case bootstrap(RaftMember, Reply<Void>)
    case join(RaftMember, peers: [RaftMember], Reply<Void>)
    case propose(IncomingProposal)
    case read(Reply<UInt64>)
    case waitApplied(UInt64, Reply<UInt64>)
    /// `seen` says who was a member and voted when it was decided: it is for now or never. Without it, it waits.
    case changeMembers(MembershipChange, seen: [UInt64: Bool]?, Reply<Void>)
    case transfer(to: UInt64?, Reply<Void>)
    /// The thread that writes a snapshot has ended; nil where the state machine wrote none.
    case snapshotWritten(Result<SnapshotFile.Written?, RaftError>)
    /// The scrub has found what does not hold what was written.
    case damageFound([Damage])
    case stop(Reply<Void>?)
    /// For tests: the thread ends as if the process were killed, without closing its database.
    case abandon(Reply<Void>)

    var isRequest: Bool {
        switch self {
        case .message, .snapshotWritten, .damageFound, .stop, .abandon: false
        default: true
        }
    }

    /// Answers a call that will not be served.
    func refuse(_ error: RaftError) {
        switch self {
        case .message, .snapshotWritten, .damageFound: break
        case .bootstrap(_, let reply), .join(_, _, let reply), .changeMembers(_, _, let reply),
            .transfer(_, let reply):
            reply.fail(error)
        case .propose(let proposal): proposal.reply.fail(error)
        case .read(let reply), .waitApplied(_, let reply): reply.fail(error)
        case .stop(let reply): reply?.succeed(())
        case .abandon(let reply): reply.succeed(())
        }
    }
}

/// Where the answer to a call goes, exactly once.
struct Reply<Value: Sendable>: Sendable {
    let continuation: CheckedContinuation<Result<Value, RaftError>, Never>

    func succeed(_ value: Value) { continuation.resume(returning: .success(value)) }

    func fail(_ error: RaftError) { continuation.resume(returning: .failure(error)) }
}
