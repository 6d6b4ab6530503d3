import SessionModel
import Synchronization

/// What managers have told this host, in one session after the other: one that is over reads nothing any more.
final class SessionReader: Sendable {
    private struct State {
        var reader = PictureReader()
        var session = 0
    }

    private let state = Mutex(State())

    /// A session begins, which ends the one before.
    ///
    /// - Returns: its number.
    func begin() -> Int {
        state.withLock { state in
            state.session += 1
            return state.session
        }
    }

    /// What is to be said instead of a message of the agent's.
    func complete(_ message: AgentMessage) -> AgentMessage { state.withLock { $0.reader.complete(message) } }

    /// What a message says to the agent; that the manager lives where the rest comes with a later one.
    func read(_ bytes: [UInt8], in session: Int) throws -> ManagerMessage {
        try state.withLock { state in
            guard state.session == session else { throw CancellationError() }
            return try state.reader.read(bytes) ?? .heartbeat
        }
    }
}
