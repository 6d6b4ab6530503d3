import Synchronization

/// The node's last status, for any thread, and who wants to hear of changes.
final class StatusBoard: Sendable {
    private struct State {
        var status = RaftStatus()
        var readers: [Int: AsyncStream<RaftStatus>.Continuation] = [:]
        var nextReader = 0
        var isFinished = false
    }

    private let state = Mutex(State())

    var status: RaftStatus { state.withLock { $0.status } }

    func publish(_ status: RaftStatus) {
        let readers = state.withLock { state -> [AsyncStream<RaftStatus>.Continuation] in
            let isNews = !status.isAbout(state.status)
            state.status = status
            return isNews ? Array(state.readers.values) : []
        }
        for reader in readers { reader.yield(status) }
    }

    func changes() -> AsyncStream<RaftStatus> {
        let (stream, continuation) = AsyncStream.makeStream(of: RaftStatus.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state -> Int? in
            continuation.yield(state.status)
            guard !state.isFinished else { return nil }
            state.nextReader += 1
            state.readers[state.nextReader] = continuation
            return state.nextReader
        }
        guard let number else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.readers.removeValue(forKey: number) }
        }
        return stream
    }

    func finish() {
        let readers = state.withLock { state -> [AsyncStream<RaftStatus>.Continuation] in
            state.isFinished = true
            defer { state.readers = [:] }
            return Array(state.readers.values)
        }
        for reader in readers { reader.finish() }
    }
}

extension RaftStatus {
    /// Whether readers of changes would learn nothing from the other one.
    fileprivate func isAbout(_ other: RaftStatus) -> Bool {
        role == other.role && term == other.term && leader == other.leader && member == other.member
            && isLeading == other.isLeading && isDiskFull == other.isDiskFull && failure == other.failure
            && members.count == other.members.count
            && zip(members, other.members).allSatisfy {
                $0.member == $1.member && $0.isVoter == $1.isVoter && $0.isOutgoing == $1.isOutgoing
            }
    }
}
