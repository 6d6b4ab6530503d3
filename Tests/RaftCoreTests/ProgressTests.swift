import Testing

@testable import RaftCore

/// What a leader knows of one member (dissertation, section 10.2: pipelining).
@Suite struct ProgressTests {
    /// A member that has entries up to `matched` and gets more without being asked.
    private static func replicating(after matched: UInt64) -> Progress {
        var member = Progress(next: matched + 1)
        _ = member.accept(matched)
        member.replicate()
        return member
    }

    @Test("at first one message goes, and the next once that is answered") func firstProbe() {
        var member = Progress(next: 11)
        #expect(member.mode == .probe(isWaiting: false) && !member.isPaused)
        member.sent(through: 15, bytes: 100)
        #expect(member.mode == .probe(isWaiting: true) && member.isPaused)
        #expect(member.next == 11, "it may be refused")
        #expect(member.window == SendWindow())
        let isNews = member.accept(15)
        #expect(isNews && member.matched == 15 && member.next == 16)
        member.replicate()
        #expect(member.mode == .replicate && !member.isPaused)
        #expect(member.next == 16)
    }

    @Test("a probe without entries is waited for as well") func emptyProbe() {
        var member = Progress(next: 11)
        member.sent(through: nil, bytes: 0)
        #expect(member.isPaused && member.next == 11)
    }

    @Test("10.2.2: where the logs agree, what was sent counts as there") func pipeline() {
        var member = Self.replicating(after: 2)
        member.sent(through: 4, bytes: 10)
        member.sent(through: 7, bytes: 30)
        #expect(member.next == 8 && member.matched == 2 && !member.isPaused)
        var expected = SendWindow()
        expected.add(4, bytes: 10)
        expected.add(7, bytes: 30)
        #expect(member.window == expected)
        member.sent(through: nil, bytes: 0)
        #expect(member.next == 8 && member.window == expected, "no entries, nothing under way")
    }

    @Test("old answers move nothing back") func oldAnswers() {
        var member = Self.replicating(after: 2)
        member.sent(through: 9, bytes: 10)
        let isNews = member.accept(7)
        #expect(isNews && member.matched == 7)
        #expect(member.next == 10, "what is under way stays so")
        let before = member
        for index in [7, 5, 0] as [UInt64] {
            let isNewsAgain = member.accept(index)
            #expect(!isNewsAgain && member == before)
        }
    }

    @Test(
        "5.3: a refused probe goes back to where the logs may agree: at least by one, never below what is known",
        arguments: [(5, 6), (9, 10), (10, 10), (99, 10), (3, 4), (2, 4), (0, 4), (.max, 4)] as [(UInt64, UInt64)])
    func hint(_ hint: UInt64, _ next: UInt64) {
        var member = Progress(next: 11)
        _ = member.accept(3)
        member.sent(through: 15, bytes: 100)
        let isNews = member.reject(10, hint: hint)
        #expect(isNews && member.next == next && member.matched == 3)
        #expect(member.mode == .probe(isWaiting: false), "the next one may go")
    }

    @Test("a refusal of another message than the last probe is old news") func oldRefusal() {
        var member = Progress(next: 11)
        member.sent(through: 15, bytes: 100)
        let before = member
        for index in [9, 11, 0] as [UInt64] {
            let isNews = member.reject(index, hint: 4)
            #expect(!isNews && member == before)
        }
    }

    @Test("of messages that follow a lost one the first refusal alone counts, until there is other news")
    func sentAgainOnce() {
        var member = Self.replicating(after: 2)
        for last in [4, 6, 8] as [UInt64] { member.sent(through: last, bytes: 10) }
        // The first message is lost, and those after 4 and 6 are refused.
        let isKnown = member.reject(2, hint: 1)
        #expect(!isKnown && member.next == 9, "the disk has what it has")
        let isNews = member.reject(4, hint: 2)
        #expect(isNews && member.next == 3)
        member.sent(through: 8, bytes: 30)
        for index in [6, 8] as [UInt64] {
            let isNewsAgain = member.reject(index, hint: 2)
            #expect(!isNewsAgain && member.next == 9)
        }
        // The message after 9 goes later than the refusal came.
        member.sent(through: 9, bytes: 10)
        member.sent(through: 10, bytes: 10)
        let isLater = member.reject(9, hint: 2)
        #expect(isLater && member.next == 3)
        member.sent(through: 10, bytes: 40)
        let isOld = member.reject(9, hint: 2)
        #expect(!isOld && member.next == 11)
        member.forgetRefusals()
        let isLost = member.reject(9, hint: 2)
        #expect(isLost && member.next == 3, "a heartbeat was answered since")
    }

    @Test("refusals that come after the probe was answered are old news still") func lateRefusals() {
        var member = Self.replicating(after: 2)
        for last in [4, 6, 8] as [UInt64] { member.sent(through: last, bytes: 10) }
        _ = member.reject(4, hint: 2)
        member.probe()
        #expect(member.next == 3)
        member.sent(through: 4, bytes: 10)
        _ = member.accept(4)
        member.replicate()
        member.sent(through: 8, bytes: 20)
        let isNews = member.reject(6, hint: 2)
        #expect(!isNews && member.next == 9)
    }

    @Test("7: no entries go while a snapshot is under way") func snapshot() {
        var member = Self.replicating(after: 2)
        member.sent(through: 4, bytes: 10)
        member.sendSnapshot(20)
        #expect(member.mode == .snapshot(index: 20) && member.isPaused)
        #expect(member.window == SendWindow(), "what was under way is of no use")
        let before = member
        member.sent(through: 9, bytes: 10)
        #expect(member == before)
        _ = member.reject(4, hint: 1)
        #expect(member.mode == .snapshot(index: 20), "a refusal does not end it")
        let isNews = member.accept(20)
        #expect(isNews && member.matched == 20 && member.next == 21)
        #expect(member.mode == .snapshot(index: 20), "whoever accepts says what follows")
    }

    @Test("a new beginning is after what is known, with nothing under way", arguments: [true, false])
    func anew(isProbe: Bool) {
        var member = Self.replicating(after: 2)
        member.sent(through: 4, bytes: 10)
        member.sent(through: 9, bytes: 10)
        _ = member.accept(4)
        #expect(member.next == 10 && member.window != SendWindow())
        if isProbe { member.probe() } else { member.replicate() }
        #expect(member.mode == (isProbe ? .probe(isWaiting: false) : .replicate))
        #expect(member.next == 5 && member.matched == 4)
        #expect(member.window == SendWindow())
    }

    @Test("who was heard from counts for this period and the next") func periods() {
        var member = Progress(next: 1)
        member.isActive = true
        member.beginPeriod()
        #expect(!member.isActive && member.wasActive)
        member.beginPeriod()
        #expect(!member.isActive && !member.wasActive)
    }
}

@Suite struct SendWindowTests {
    private static func window(_ messages: [(last: UInt64, bytes: Int)]) -> SendWindow {
        var window = SendWindow()
        for message in messages { window.add(message.last, bytes: message.bytes) }
        return window
    }

    @Test("so many messages fill it, whatever is in them") func messageLimit() {
        var configuration = RaftConfiguration()
        configuration.inflightMessageLimit = 2
        var window = Self.window([(3, 0)])
        #expect(!window.isFull(configuration))
        window.add(5, bytes: 0)
        #expect(window.isFull(configuration))
        window.free(through: 3)
        #expect(!window.isFull(configuration))
    }

    @Test("so many bytes fill it, and are given back") func byteLimit() {
        var configuration = RaftConfiguration()
        configuration.inflightByteLimit = 100
        var window = Self.window([(3, 1), (5, 98)])
        #expect(!window.isFull(configuration))
        window.add(6, bytes: 1)
        #expect(window.isFull(configuration))
        window.free(through: 3)
        #expect(!window.isFull(configuration))
        // One message that is larger than all that may be under way.
        window.free(through: 6)
        window.add(7, bytes: 1_000)
        #expect(window.isFull(configuration))
        window.free(through: 7)
        #expect(!window.isFull(configuration))
    }

    @Test("only whole messages are free, and all of them up to the index") func free() {
        var window = Self.window([(3, 10), (6, 20), (9, 40)])
        window.free(through: 2)
        #expect(window == Self.window([(3, 10), (6, 20), (9, 40)]))
        window.free(through: 5)
        #expect(window == Self.window([(6, 20), (9, 40)]))
        window.free(through: 9)
        #expect(window == SendWindow())
        window.free(through: 99)
        #expect(window == SendWindow())
    }
}
