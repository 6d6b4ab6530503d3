import Testing

@testable import Chaos

/// Histories that fit, and such that do not: what clients must never see.
@Suite struct RegisterCheckerTests {
    private typealias Content = RegisterCall.Content

    private func fits(_ calls: RegisterCall...) -> Bool { RegisterChecker.check(calls) == .fits }

    private func brokenBy(_ calls: [RegisterCall]) -> RegisterCall? {
        if case .breaks(let call) = RegisterChecker.check(calls) { call } else { nil }
    }

    private func update(_ client: Int, _ from: UInt64, _ to: UInt64, _ begin: UInt64, _ end: UInt64) -> RegisterCall {
        RegisterCall(client: client, .update(object: 1, from: from, to: to), begin, end, .done)
    }

    private func read(_ client: Int, _ value: UInt64?, _ begin: UInt64, _ end: UInt64) -> RegisterCall {
        RegisterCall(client: client, .read, begin, end, .seen(value.map { Content(object: 1, value: $0) }))
    }

    private let created = RegisterCall(client: 1, .create(1), 0, 10, .done)

    @Test("One after the other") func sequence() {
        #expect(
            fits(
                created, read(2, 1, 11, 12), update(1, 1, 2, 13, 14), read(2, 2, 15, 16),
                RegisterCall(client: 1, .remove(object: 1), 17, 18, .done), read(2, nil, 19, 20),
                RegisterCall(client: 1, .remove(object: 1), 21, 22, .refused),
                RegisterCall(client: 1, .create(7), 23, 24, .done),
                RegisterCall(client: 2, .create(8), 25, 26, .refused)))
        #expect(RegisterChecker.check([]) == .fits)
    }

    @Test("What overlaps may be seen in any order, but in one") func concurrency() {
        #expect(fits(created, update(1, 1, 2, 20, 40), read(2, 1, 21, 22), read(2, 2, 23, 24)))
        // Once somebody saw the new value, nobody sees the old one.
        let late = read(3, 1, 25, 26)
        #expect(brokenBy([created, update(1, 1, 2, 20, 40), read(2, 2, 21, 22), late]) == late)
    }

    @Test("A stale read") func staleRead() {
        let stale = read(2, 1, 31, 32)
        #expect(brokenBy([created, update(1, 1, 2, 20, 30), stale, read(2, 2, 33, 34)]) == stale)
        #expect(fits(created, update(1, 1, 2, 20, 31), read(2, 1, 31, 32)))
    }

    @Test("A lost update: two changes of one version are both acknowledged") func lostUpdate() {
        let second = update(2, 1, 3, 21, 31)
        #expect(brokenBy([created, update(1, 1, 2, 20, 30), second]) == second)
        #expect(
            fits(
                created, update(1, 1, 2, 20, 30),
                RegisterCall(client: 2, .update(object: 1, from: 1, to: 3), 21, 31, .refused)))
    }

    @Test("An acknowledged write that vanishes") func vanishedWrite() {
        let gone = read(9, nil, 1_000, 1_001)
        #expect(brokenBy([created, gone]) == gone)
        let back = read(9, 1, 1_000, 1_001)
        #expect(brokenBy([created, update(1, 1, 2, 20, 30), read(2, 2, 40, 41), back]) == back)
        // It may not come back to be there either.
        let removed = RegisterCall(client: 1, .remove(object: 1), 20, 30, .done)
        #expect(brokenBy([created, removed, back]) == back)
    }

    @Test("Two are created of one name") func createdTwice() {
        let second = RegisterCall(client: 2, .create(2), 20, 30, .done)
        #expect(brokenBy([created, second]) == second)
    }

    @Test("A refusal that had no reason") func refusedWithoutReason() {
        let refused = RegisterCall(client: 2, .update(object: 1, from: 1, to: 2), 20, 30, .refused)
        #expect(brokenBy([created, refused]) == refused)
        #expect(brokenBy([RegisterCall(client: 2, .create(3), 20, 30, .refused)]) != nil)
        #expect(brokenBy([created, RegisterCall(client: 2, .remove(object: 1), 20, 30, .refused)]) != nil)
    }

    @Test("A change without an answer happens once, at any time, or never") func unknown() {
        let lost = RegisterCall(client: 1, .update(object: 1, from: 1, to: 2), 20)
        #expect(fits(created, lost, read(2, 1, 500, 501)))
        #expect(fits(created, lost, read(2, 1, 500, 501), read(2, 2, 600, 601)))
        let back = read(2, 1, 700, 701)
        #expect(brokenBy([created, lost, read(2, 2, 600, 601), back]) == back)
        // Nor before it was asked for.
        #expect(brokenBy([created, read(2, 2, 12, 13), lost]) != nil)
        #expect(fits(RegisterCall(client: 1, .create(1), 0), RegisterCall(client: 2, .create(2), 5, 6, .done)))
    }

    @Test("Many changes without an answer do not make the search long") func longOutage() {
        var calls = [created]
        for number in 0..<40 {
            calls.append(
                RegisterCall(client: number, .update(object: 1, from: 1, to: UInt64(100 + number)), UInt64(20 + number))
            )
            calls.append(RegisterCall(client: number, .create(UInt64(200 + number)), UInt64(20 + number)))
            calls.append(RegisterCall(client: number, .remove(object: 1), UInt64(20 + number)))
            calls.append(read(number, 1, UInt64(1_000 + number), UInt64(1_100 + number)))
        }
        #expect(RegisterChecker.check(calls) == .fits)
        let wrong = read(1, 77, 5_000, 5_001)
        #expect(RegisterChecker.check(calls + [wrong]) == .breaks(wrong))
    }

    @Test("A config of the same name that is created anew is another one") func another() {
        let removed = RegisterCall(client: 1, .remove(object: 1), 20, 30, .done)
        let anew = RegisterCall(client: 1, .create(5), 40, 50, .done)
        #expect(fits(created, removed, anew, RegisterCall(client: 2, .remove(object: 1), 60, 70, .refused)))
        #expect(brokenBy([created, removed, anew, RegisterCall(client: 2, .remove(object: 1), 60, 70, .done)]) != nil)
    }

    @Test("Values of every order that could have been seen fit (as a model makes them)") func model() {
        // Three clients change what they saw, one moment each; every history fits, and no longer where a value is
        // taken out of its order.
        var content: Content? = nil
        var calls: [RegisterCall] = []
        for step in 0..<200 {
            let begin = UInt64(step * 10)
            let value = UInt64(step + 1)
            if let known = content {
                let request = RegisterCall.Request.update(object: known.object, from: known.value, to: value)
                calls.append(RegisterCall(client: step % 3, request, begin, begin + 25, .done))
                content?.value = value
            } else {
                calls.append(RegisterCall(client: step % 3, .create(value), begin, begin + 25, .done))
                content = Content(object: value, value: value)
            }
        }
        #expect(RegisterChecker.check(calls) == .fits)
        calls.append(RegisterCall(client: 4, .read, 1_000, 1_001, .seen(Content(object: 1, value: 10))))
        #expect(RegisterChecker.check(calls) != .fits)
    }
}
