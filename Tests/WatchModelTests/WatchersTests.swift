import ClusterModel
import Testing
import Values

@testable import WatchModel

@Suite struct WatchersTests {
    private var window = ChangeWindow(at: WatchPosition(history: "h", revision: 0), limit: 4, segmentLength: 1)
    private var watchers = Watchers(at: WatchPosition(history: "h", revision: 0))

    private mutating func change(_ kind: ObjectKind, _ id: String) {
        let revision = window.head + 1
        let change = AppliedChange(kind: kind, id: id, action: .update)
        window.append([RevisedChange(revision: revision, time: .epoch, change: change)], upTo: revision)
    }

    private static func ids(_ deliveries: [WatchDelivery]) -> [[String]?] {
        deliveries.map { delivery in
            if case .changes(let changes, _) = delivery.update { changes.map(\.change.id) } else { nil }
        }
    }

    @Test("A change wakes whom it concerns, once until that has taken it")
    mutating func filters() {
        let (one, other) = (watchers.addConsumer(), watchers.addConsumer())
        let byKind = watchers.add(.kinds([.config]), for: one, in: window)
        let byObject = watchers.add(.objects([ObjectReference(kind: .task, id: "t")]), for: other, in: window)
        change(.config, "c")
        var woken = watchers.mark(window)
        #expect(woken == [one])
        change(.config, "d")
        change(.task, "u")
        woken = watchers.mark(window)
        #expect(woken == [], "it was woken already, and the other does not care")
        change(.task, "t")
        woken = watchers.mark(window)
        #expect(woken == [other])
        let (taken, more) = (watchers.take(one, from: window), watchers.take(other, from: window))
        #expect(taken.map(\.watch) == [byKind] && Self.ids(taken) == [["c", "d"]])
        #expect(more.map(\.watch) == [byObject] && Self.ids(more) == [["t"]])
        let rest = watchers.take(one, from: window)
        #expect(rest.isEmpty)
    }

    @Test("A watch of which nothing is said misses nothing, however much others change")
    mutating func idleWatches() {
        let consumer = watchers.addConsumer()
        _ = watchers.add(.objects([ObjectReference(kind: .task, id: "t")]), for: consumer, in: window)
        for _ in 0..<100 {
            change(.task, "u")
            let woken = watchers.mark(window)
            #expect(woken.isEmpty)
        }
        change(.task, "t")
        let (woken, taken) = (watchers.mark(window), watchers.take(consumer, from: window))
        #expect(woken == [consumer] && Self.ids(taken) == [["t"]])
    }

    @Test("One that is slow is told to resynchronise, once, and goes on from there")
    mutating func slowWatches() {
        let consumer = watchers.addConsumer()
        _ = watchers.add(.kinds([.task]), for: consumer, in: window)
        for number in 0..<10 {
            change(.task, "\(number)")
            _ = watchers.mark(window)
        }
        let updates = watchers.take(consumer, from: window).map(\.update)
        #expect(updates == [.resynchronise(WatchPosition(history: "h", revision: 10))])
        change(.task, "next")
        let (woken, taken) = (watchers.mark(window), watchers.take(consumer, from: window))
        #expect(woken == [consumer] && Self.ids(taken) == [["next"]])
    }

    @Test("A position of before is gone on from; one that is forgotten, or of another history, is not")
    mutating func positions() {
        for number in 1...3 { change(.task, "\(number)") }
        _ = watchers.mark(window)
        let consumer = watchers.addConsumer()
        let resumed = resume(from: "h", 1, consumer)
        #expect(resumed == .changes(window.changes(after: 1)!.changes, upTo: 3))
        let (current, foreign) = (resume(from: "h", 3, consumer), resume(from: "other", 3, consumer))
        #expect(current == nil)
        #expect(foreign == .resynchronise(WatchPosition(history: "h", revision: 3)))
        for number in 4...9 { change(.task, "\(number)") }
        let forgotten = resume(from: "h", 1, consumer)
        #expect(forgotten == .resynchronise(WatchPosition(history: "h", revision: 9)))
    }

    @Test("What is too much for one update comes in several, and nobody is woken for that again")
    mutating func largeUpdates() {
        window = ChangeWindow(at: WatchPosition(history: "h", revision: 0))
        let consumer = watchers.addConsumer()
        for _ in 0..<2 { _ = watchers.add(.kinds([.task]), for: consumer, in: window) }
        for number in 0..<3_000 { change(.task, "\(number)") }
        let woken = watchers.mark(window)
        #expect(woken == [consumer])
        var found: [WatchID: [UInt64]] = [:]
        while true {
            let deliveries = watchers.take(consumer, from: window)
            if deliveries.isEmpty { break }
            for delivery in deliveries {
                guard case .changes(let changes, _) = delivery.update else { continue }
                #expect(changes.count <= Watchers.changesPerUpdate)
                found[delivery.watch, default: []] += changes.map(\.revision)
            }
        }
        #expect(found.count == 2 && found.values.allSatisfy { $0 == Array(1...3_000) })
    }

    @Test("One that is due for many revisions among others gets all of them", arguments: [1, 32, 33, 100])
    mutating func manyRevisions(count: Int) {
        window = ChangeWindow(at: WatchPosition(history: "h", revision: 0))
        let consumer = watchers.addConsumer()
        _ = watchers.add(.objects([ObjectReference(kind: .task, id: "t")]), for: consumer, in: window)
        for _ in 0..<count {
            change(.task, "t")
            change(.task, "u")
            _ = watchers.mark(window)
        }
        let updates = watchers.take(consumer, from: window).map(\.update)
        let expected = window.changes(after: 0) { $0.id == "t" }!.changes
        #expect(expected.count == count && updates == [.changes(expected, upTo: UInt64(2 * count))])
    }

    /// What a watch is told that begins behind a position.
    private mutating func resume(from history: String, _ revision: UInt64, _ consumer: WatchConsumer) -> WatchUpdate? {
        let position = WatchPosition(history: history, revision: revision)
        let id = watchers.add(.kinds([.task]), from: position, for: consumer, in: window)
        defer { if let id { watchers.remove(id) } }
        return watchers.take(consumer, from: window).first?.update
    }

    @Test("One that comes from a manager that was further waits until this one is there")
    mutating func positionsAhead() {
        let consumer = watchers.addConsumer()
        let ahead = WatchPosition(history: "h", revision: 2)
        _ = watchers.add(.kinds([.task]), from: ahead, for: consumer, in: window)
        for number in 1...3 {
            change(.task, "\(number)")
            let woken = watchers.mark(window)
            #expect(woken == (number == 3 ? [consumer] : []))
        }
        let taken = watchers.take(consumer, from: window)
        #expect(Self.ids(taken) == [["3"]])
    }

    @Test("Another state, or another history, concerns everybody")
    mutating func replacedStates() {
        let consumer = watchers.addConsumer()
        _ = watchers.add(.kinds([.task]), for: consumer, in: window)
        for position in [WatchPosition(history: "h", revision: 50), WatchPosition(history: "i", revision: 50)] {
            window = ChangeWindow(at: position)
            let (woken, taken) = (watchers.mark(window), watchers.take(consumer, from: window))
            #expect(woken == [consumer] && taken.map(\.update) == [.resynchronise(position)])
        }
    }

    @Test("What has ended is told nothing, nor is what takes its place")
    mutating func ends() throws {
        let consumer = watchers.addConsumer()
        let added = watchers.add(.kinds([.task]), for: consumer, in: window)
        let first = try #require(added)
        change(.task, "t")
        _ = watchers.mark(window)
        watchers.remove(first)
        let second = watchers.add(.kinds([.task]), for: consumer, in: window)
        var taken = watchers.take(consumer, from: window)
        #expect(first != second && taken.isEmpty)
        watchers.remove(first)
        #expect(watchers.count == 1, "the identity of what was there before removes nothing")
        watchers.remove(consumer)
        let late = watchers.add(.kinds([.task]), for: consumer, in: window)
        #expect(watchers.count == 0 && late == nil)
        let next = watchers.addConsumer()
        taken = watchers.take(consumer, from: window)
        #expect(next != consumer && taken.isEmpty)
    }
}
