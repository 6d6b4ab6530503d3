import ClusterModel
import Testing
import Values

@testable import WatchModel

@Suite struct ChangeWindowTests {
    private static func changes(_ revision: UInt64, count: Int = 1) -> [RevisedChange] {
        (0..<count).map {
            RevisedChange(
                revision: revision, time: Timestamp(secondsSinceEpoch: Int64(revision)),
                change: AppliedChange(kind: .config, id: "\(revision).\($0)", action: .create))
        }
    }

    private static func window(limit: Int = 8, segment: Int = 2) -> ChangeWindow {
        ChangeWindow(at: WatchPosition(history: "h", revision: 10), limit: limit, segmentLength: segment)
    }

    private static func ids(_ window: ChangeWindow, after revision: UInt64, limit: Int = .max) -> [String]? {
        window.changes(after: revision, limit: limit)?.changes.map(\.change.id)
    }

    @Test func whatCameAfterARevisionInOrder() {
        var window = Self.window()
        for revision: UInt64 in [11, 13, 14] { window.append(Self.changes(revision), upTo: revision) }
        #expect(Self.ids(window, after: 10) == ["11.0", "13.0", "14.0"])
        #expect(Self.ids(window, after: 12) == ["13.0", "14.0"])
        #expect(Self.ids(window, after: 14) == [])
        #expect(Self.ids(window, after: 9) == nil, "nobody knows what the state was made of")
    }

    @Test("A revision without a change is one all the same; a position ahead waits")
    func heads() {
        var window = Self.window()
        window.append([], upTo: 20)
        #expect(window.changes(after: 15)?.upTo == 20)
        #expect(window.changes(after: 30)?.upTo == 30)
        #expect(window.position == WatchPosition(history: "h", revision: 20))
    }

    @Test("What there is no room for is forgotten by whole revisions, and whoever needs it is told")
    func trimming() {
        var window = Self.window()
        for revision in 11...30 as ClosedRange<UInt64> { window.append(Self.changes(revision), upTo: revision) }
        #expect(window.count <= 8 && window.floor >= 20)
        let floor = window.floor
        #expect(Self.ids(window, after: floor - 1) == nil)
        #expect(Self.ids(window, after: floor)?.first == "\(floor + 1).0")
        // One that is larger than all room is there until the next one.
        window.append(Self.changes(31, count: 20), upTo: 31)
        #expect(Self.ids(window, after: 30)?.count == 20)
        window.append(Self.changes(32), upTo: 32)
        #expect(window.floor == 31 && Self.ids(window, after: 31) == ["32.0"])
    }

    @Test("A limit ends with a revision, never in one")
    func limits() {
        var window = Self.window(limit: 100)
        for revision in 11...13 as ClosedRange<UInt64> {
            window.append(Self.changes(revision, count: 3), upTo: revision)
        }
        let part = window.changes(after: 10, limit: 2)
        #expect(part?.changes.count == 3 && part?.upTo == 11)
        let rest = window.changes(after: 11, limit: 7) { $0.id.hasSuffix("1") }
        #expect(rest?.changes.map(\.change.id) == ["12.1", "13.1"] && rest?.upTo == 13)
    }

    @Test func theRevisionBeforeAMoment() {
        var window = Self.window()
        for revision: UInt64 in [11, 13, 14] { window.append(Self.changes(revision), upTo: revision) }
        #expect(window.revision(before: Timestamp(secondsSinceEpoch: 12)) == 12)
        #expect(window.revision(before: Timestamp(secondsSinceEpoch: 13)) == 12)
        #expect(window.revision(before: .epoch) == 10)
        #expect(window.revision(before: Timestamp(secondsSinceEpoch: 99)) == 14)
    }

    @Test("A copy stays as it was")
    func copies() {
        var window = Self.window()
        window.append(Self.changes(11), upTo: 11)
        let before = window
        window.append(Self.changes(12), upTo: 12)
        #expect(before.head == 11 && Self.ids(before, after: 10) == ["11.0"])
    }
}
