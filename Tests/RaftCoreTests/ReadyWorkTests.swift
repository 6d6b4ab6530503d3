import Testing

@testable import RaftCore

@Suite struct ReadyWorkTests {
    @Test("a stage for which there was no room comes again later, and none before it does") func stages() {
        var work = ReadyWork(Ready(hardState: HardState(), mustPersist: true))
        #expect(work.stage == .save && !work.isWaitingForRoom && work.isDue(at: 0))
        work.proceed()
        let isNews = work.refuse(at: 7)
        #expect(isNews)
        #expect(work.stage == .install && work.isWaitingForRoom)
        #expect(!work.isDue(at: 6 + ReadyWork.retryTicks) && work.isDue(at: 7 + ReadyWork.retryTicks))
        let isNewsAgain = work.refuse(at: 17)
        #expect(!isNewsAgain)
        work.proceed()
        #expect(work.stage == .apply && work.isWaitingForRoom)
    }

    /// Entries 1 and 2 are on the disk, 3 and 4 are to be written.
    private static func work() -> ReadyWork {
        let entries = (1...4).map { Entry(index: $0, term: 1, payload: .command([])) }
        var ready = Ready(hardState: HardState(), mustPersist: true)
        ready.committed = Array(entries[..<2])
        ready.entries = Array(entries[2...])
        ready.committedAfterPersisting = ready.entries
        return ReadyWork(ready)
    }

    private func indices(_ work: ReadyWork) -> [UInt64] { work.applicable.map(\.index) }

    @Test("what the disk has may be applied beside every stage, the rest in the last one") func applicable() {
        var work = Self.work()
        #expect(indices(work) == [1, 2])
        work.proceed()
        #expect(indices(work) == [1, 2])
        work.proceed()
        #expect(indices(work) == [1, 2, 3, 4])
        work.applied(through: 4)
        #expect(indices(work) == [])
    }

    @Test("what was applied while something was written is not applied again") func appliedMeanwhile() {
        var work = Self.work()
        // The write and what follows it are done before the other thread says that it has applied.
        work.proceed()
        work.proceed()
        work.applied(through: 2)
        #expect(indices(work) == [3, 4])
    }

    @Test(
        "whatever had no room, a write or what was applied beside it, nothing is applied twice and nothing is lost",
        arguments: [true, false], [true, false])
    func noRoom(hasWritten: Bool, hasApplied: Bool) {
        var work = Self.work()
        if hasWritten { for _ in 0..<2 { work.proceed() } }
        if hasApplied { work.applied(through: 2) }
        _ = work.refuse(at: 1)
        #expect(work.stage == (hasWritten ? .apply : .save))
        #expect(indices(work) == (hasApplied ? [] : [1, 2]) + (hasWritten ? [3, 4] : []))
        if !hasWritten { for _ in 0..<2 { work.proceed() } }
        #expect(indices(work) == (hasApplied ? [3, 4] : [1, 2, 3, 4]))
        // No room again: for what is applied last.
        _ = work.refuse(at: 20)
        #expect(work.stage == .apply)
        #expect(indices(work) == (hasApplied ? [3, 4] : [1, 2, 3, 4]))
    }
}
