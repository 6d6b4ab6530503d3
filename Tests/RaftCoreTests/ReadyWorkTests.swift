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
}
