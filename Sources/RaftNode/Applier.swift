import Executors
import LinuxSystem

/// Applies commands on a thread of its own while the node's thread waits for the disk, one hand-over at a time.
final class Applier: Sendable {
    /// The state machine comes with the work, so that it is not held by a thread that is about to end.
    private struct Work {
        let commands: [CommittedCommand]
        let stateMachine: any RaftStateMachine
    }

    private struct State {
        var work: Work?
        var results: Result<[[UInt8]], any Error>?
        var isRunning = false
        var isStopped = false
    }

    private let state = Monitor(State())

    /// Where the system has no thread left nothing is handed over.
    func start() {
        state.change { $0.isRunning = true }
        do throws(SystemError) {
            try DetachedThread.start("raft-apply") { self.run() }
        } catch {
            state.change { $0.isRunning = false }
        }
    }

    /// Returns when the thread touches nothing any more.
    func stop() {
        state.change { $0.isStopped = true }
        state.wait({ !$0.isRunning }, then: { _ in })
    }

    /// Hands commands over, which `finish` has to follow; false where there is no thread for them.
    func begin(_ commands: [CommittedCommand], on stateMachine: any RaftStateMachine) -> Bool {
        state.change { state in
            guard state.isRunning else { return false }
            precondition(state.work == nil && state.results == nil, "one hand-over at a time")
            state.work = Work(commands: commands, stateMachine: stateMachine)
            return true
        }
    }

    /// Waits for what `RaftStateMachine.apply` makes of the commands.
    func finish() -> Result<[[UInt8]], any Error> {
        state.wait(
            { $0.results != nil },
            then: { state in
                defer { state.results = nil }
                return state.results!
            })
    }

    private func run() {
        while applyNext() {}
        state.change { $0.isRunning = false }
    }

    /// False where it is to stop.
    private func applyNext() -> Bool {
        let work = state.wait(
            { $0.work != nil || $0.isStopped },
            then: { state in
                defer { state.work = nil }
                return state.work
            })
        guard let work else { return false }
        let results = Result { try work.stateMachine.apply(work.commands) }
        state.change { $0.results = results }
        return true
    }
}
