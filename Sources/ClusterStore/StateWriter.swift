import ClusterModel
import Executors
import LinuxSystem
import SQLite

/// Brings the state's file after the state in memory, on a thread of its own: nobody who applies commands waits for it,
/// what comes together is one transaction, and an object that changes often is written once. The thread stands back for
/// others: under load more comes together.
///
/// What the file lacks after a crash is in Raft's log (Ongaro's dissertation, section 10.2.1: appending and applying
/// need not wait for each other).
final class StateWriter: Sendable {
    /// From one transaction to the next where nobody waits for it.
    static let pauseMilliseconds: Int64 = 200
    /// After one that found the disk full.
    static let retryMilliseconds: Int64 = 500

    private struct Work {
        /// Used by the thread while `isWriting`, else with the work locked; nil when it is closed.
        var database: StateDatabase?
        var path: String
        /// The index that the file has.
        var written: UInt64
        var backlog = StateBacklog()
        /// The index that the file will have when nothing is left.
        var newest: UInt64
        var isWriting = false
        /// Threads that wait for the file.
        var waiters = 0
        /// Why the last transaction failed; the disk may have room again, anything else is for good.
        var failure: (any Error)?
        var isClosed = false
        var hasEnded = false

        var isUrgent: Bool { isClosed || backlog.isLarge || waiters > 0 && !backlog.isEmpty }
    }

    private let work: Monitor<Work>

    /// - Parameter index: the one that the file has.
    init(_ database: StateDatabase, path: String, index: UInt64) throws(SystemError) {
        work = Monitor(Work(database: database, path: path, written: index, newest: index))
        try DetachedThread.start("state", niceness: 5) { [work] in Self.run(work) }
    }

    /// The file that holds the state now.
    var path: String { work.wait({ _ in true }, then: \.path) }

    /// Throws what keeps the file from being written.
    func check() throws {
        if let failure = work.wait({ _ in true }, then: \.failure) { throw failure }
    }

    /// Takes over what was applied. Waits where too much waits already; throws, having taken nothing, where the file
    /// cannot be written.
    func add(_ news: AppliedCommands) throws {
        work.wait({ !$0.backlog.isLarge || $0.failure != nil }, then: { _ in })
        try work.change { work in
            if let failure = work.failure { throw failure }
            work.backlog.add(news)
            work.newest = news.state.index
        }
    }

    /// Returns when the file has all that was added before.
    func catchUp() throws {
        let target = work.change { work in
            work.waiters += 1
            return work.newest
        }
        let failure = work.wait({ $0.written >= target || $0.failure != nil || $0.hasEnded }, then: \.failure)
        work.change { $0.waiters -= 1 }
        if let failure { throw failure }
    }

    /// Goes on with another file; what was not written yet is forgotten. Returns the old file's path.
    func replace(by database: StateDatabase, path: String, index: UInt64) -> String {
        let old = work.wait(
            { !$0.isWriting },
            then: { work in
                defer {
                    (work.database, work.path) = (database, path)
                    (work.written, work.newest) = (index, index)
                    work.backlog = StateBacklog()
                    // What had no room is forgotten with it.
                    if !work.hasEnded { work.failure = nil }
                }
                return work.path
            })
        work.change { _ in }
        return old
    }

    /// Writes what is left, once, and closes the file.
    func close() {
        work.change { $0.isClosed = true }
        work.wait({ $0.hasEnded }, then: { $0.database = nil })
    }

    private static func run(_ work: Monitor<Work>) {
        while let (database, backlog, state) = next(work) {
            let outcome = Result { try database.write(backlog, of: state) }
            let (isOver, pause) = work.change { work in
                work.isWriting = false
                switch outcome {
                case .success:
                    work.written = state.index
                    work.failure = nil
                    return (false, pauseMilliseconds)
                case .failure(let error):
                    work.backlog.putBack(backlog)
                    work.failure = error
                    let mayHeal = (error as? DatabaseError)?.isFull == true
                    return (!mayHeal || work.isClosed, retryMilliseconds)
                }
            }
            if isOver { break }
            work.wait(
                until: Clock.sinceBoot() + pause * 1_000_000, { $0.failure == nil ? $0.isUrgent : $0.isClosed },
                then: { _ in })
        }
        work.change { $0.hasEnded = true }
    }

    /// Waits for something to write; nil where nothing will come any more.
    private static func next(_ work: Monitor<Work>) -> (StateDatabase, StateBacklog, ClusterState)? {
        work.wait(
            { !$0.backlog.isEmpty || $0.isClosed },
            then: { work in
                guard let state = work.backlog.state, let database = work.database else { return nil }
                work.isWriting = true
                return (database, work.backlog.take(), state)
            })
    }
}
