import AgentModel
import ClusterModel
import Testing
import Values

@Suite struct TaskAttemptsTests {
    private typealias Policy = TaskTemplate.RestartPolicy

    private func end(
        _ attempts: inout TaskAttempts, _ policy: Policy?, second: Int64 = 0, isSuccess: Bool = false,
        hasSession: Bool = false
    ) -> TaskAttempts.Outcome {
        attempts.end(
            isSuccess: isSuccess, policy: policy, hasSession: hasSession, at: Timestamp(secondsSinceEpoch: second))
    }

    @Test("a host begins an attempt by itself only while no manager hears of it") func sessions() {
        var attempts = TaskAttempts()
        #expect(end(&attempts, nil, hasSession: true) == .report)
        #expect(end(&attempts, nil) == .again(after: 5_000_000_000))
        #expect(attempts.number == 1)
        attempts.begin()
        #expect(attempts.number == 2)
    }

    @Test("the service's policy says whether, and after what time") func policies() {
        var attempts = TaskAttempts()
        #expect(end(&attempts, Policy(condition: "none")) == .report)
        #expect(end(&attempts, Policy(condition: "on-failure", delay: 7)) == .again(after: 7))
        #expect(end(&attempts, Policy(condition: "on-failure"), isSuccess: true) == .report)
        #expect(end(&attempts, Policy(condition: "any", delay: 0), isSuccess: true) == .again(after: 0))
        #expect(end(&attempts, Policy(condition: "", delay: -5)) == .again(after: 0))
    }

    @Test("attempts are counted within the window, the first one is none") func limits() {
        var attempts = TaskAttempts()
        let forEver = Policy(delay: 1, maxAttempts: 2)
        #expect(end(&attempts, forEver, second: 0) == .again(after: 1))
        #expect(end(&attempts, forEver, second: 1_000) == .again(after: 1))
        #expect(end(&attempts, forEver, second: 2_000) == .report)
        attempts = TaskAttempts()
        let aMinute = Policy(delay: 1, maxAttempts: 1, window: 60_000_000_000)
        #expect(end(&attempts, aMinute, second: 0) == .again(after: 1))
        #expect(end(&attempts, aMinute, second: 61) == .again(after: 1))
        #expect(end(&attempts, aMinute, second: 100) == .report)
        #expect(end(&attempts, Policy(maxAttempts: .max), second: 101) == .again(after: 5_000_000_000))
    }
}
