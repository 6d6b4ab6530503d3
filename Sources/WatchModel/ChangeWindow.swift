import ClusterModel
import Collections
import Values

/// The latest changes of the cluster's state by revision, as many as there is room for. A value: a copy costs next to
/// nothing, so that whoever reads holds up nobody.
public struct ChangeWindow: Sendable {
    /// Changes that are held. What is older is forgotten by segments, so that there may be a segment more.
    public static let changeLimit = 65_536
    static let segmentLength = 256

    /// Changes that follow each other; all of a revision are in one.
    private struct Segment {
        var changes: [RevisedChange] = []
        var last: UInt64 { changes[changes.count - 1].revision }
    }

    public let history: String
    /// Changes after this revision are held; a watcher that is at it, or past it, misses nothing.
    public private(set) var floor: UInt64
    /// The newest revision, whether it changed anything or not.
    public private(set) var head: UInt64
    public private(set) var count = 0
    private var segments = Deque<Segment>()
    private let limit: Int
    private let segmentLength: Int

    /// Begins behind a state whose way there is not known.
    public init(at position: WatchPosition) {
        self.init(at: position, limit: Self.changeLimit, segmentLength: Self.segmentLength)
    }

    init(at position: WatchPosition, limit: Int, segmentLength: Int) {
        history = position.history
        floor = position.revision
        head = position.revision
        self.limit = limit
        self.segmentLength = segmentLength
    }

    /// The end.
    public var position: WatchPosition { WatchPosition(history: history, revision: head) }

    /// Takes up what came after the head, in the order of revisions and each of them whole, and forgets what there is
    /// no room for.
    ///
    /// - Parameter revision: the last that was applied.
    public mutating func append(_ changes: [RevisedChange], upTo revision: UInt64) {
        precondition(changes.first.map { $0.revision > head } ?? true && (changes.last?.revision ?? 0) <= revision)
        head = max(head, revision)
        count += changes.count
        for change in changes {
            let hasRoom = segments.last.map { $0.changes.count < segmentLength || $0.last == change.revision }
            if hasRoom != true { segments.append(Segment()) }
            segments[segments.count - 1].changes.append(change)
        }
        while count > limit, segments.count > 1 {
            let segment = segments.removeFirst()
            floor = segment.last
            count -= segment.changes.count
        }
    }

    /// The changes after a revision that `isWanted` lets through, in order, and the revision up to which these are all
    /// of them. Where there are more than `limit` it ends with the revision in which they become so many. nil where
    /// changes are missing.
    public func changes(
        after revision: UInt64, limit: Int = .max, where isWanted: (AppliedChange) -> Bool = { _ in true }
    ) -> (changes: [RevisedChange], upTo: UInt64)? {
        guard revision >= floor else { return nil }
        var found: [RevisedChange] = []
        for segment in segments[firstSegment(after: revision)...] {
            for change in segment.changes[Self.first(after: revision, in: segment.changes)...] {
                if found.count >= limit, let last = found.last, last.revision < change.revision {
                    return (found, last.revision)
                }
                if isWanted(change.change) { found.append(change) }
            }
        }
        return (found, max(head, revision))
    }

    /// The changes of a revision that `isWanted` lets through, where they are held.
    func changes(at revision: UInt64, where isWanted: (AppliedChange) -> Bool) -> [RevisedChange] {
        let segment = firstSegment(after: revision - 1)
        guard segment < segments.count else { return [] }
        let changes = segments[segment].changes
        return changes[Self.first(after: revision - 1, in: changes)...].prefix { $0.revision == revision }
            .filter { isWanted($0.change) }
    }

    /// The last revision before a moment of which the changes since are held; the floor where that lies after it.
    public func revision(before time: Timestamp) -> UInt64 {
        for segment in segments where segment.changes[segment.changes.count - 1].time >= time {
            for change in segment.changes where change.time >= time { return max(floor, change.revision - 1) }
        }
        return head
    }

    private func firstSegment(after revision: UInt64) -> Int {
        var (low, high) = (0, segments.count)
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].last > revision { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private static func first(after revision: UInt64, in changes: [RevisedChange]) -> Int {
        if let first = changes.first, first.revision > revision { return 0 }
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].revision > revision { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
