import ClusterModel
import JSON
import Values

/// One object's specification as one transaction left it. A status leaves no record.
public struct HistoryRecord: Hashable, Sendable {
    public enum Change: String, Sendable {
        case created, updated, removed
    }

    /// The index of the log entry.
    public var revision: UInt64
    /// The entry's time.
    public var time: Timestamp
    /// nil where the entry does not name one.
    public var author: Author?
    public var note: String?
    public var object: ObjectReference
    /// The object's name for people, as of then.
    public var name: String
    public var change: Change
    /// nil where the object was removed.
    public var specification: JSONValue?

    public init(
        revision: UInt64, time: Timestamp, author: Author?, note: String?, object: ObjectReference, name: String,
        change: Change, specification: JSONValue?
    ) {
        self.revision = revision
        self.time = time
        self.author = author
        self.note = note
        self.object = object
        self.name = name
        self.change = change
        self.specification = specification
    }
}

extension HistoryRecord {
    /// What the entry at `after.index` did to specifications: one record for each object whose specification is another
    /// than before, in the order of the changes. That the cluster begins a new history, or gets a higher version, is a
    /// change of it, too.
    public static func records(
        of transaction: Transaction, changes: [AppliedChange], from before: EarlierSpecifications,
        to after: ClusterState
    ) -> [HistoryRecord] {
        var seen: Set<ObjectReference> = []
        return changes.compactMap { change in
            let object = ObjectReference(kind: change.kind, id: change.id)
            guard object.hasSpecification, seen.insert(object).inserted else { return nil }
            let old = before.specifications[object]
            let new = after.specification(of: object)
            let isRenewed =
                change.kind == .cluster
                && (before.historyID != after.cluster?.historyID || before.version != after.version)
            guard old?.document != new?.document || isRenewed, let name = new?.name ?? old?.name else { return nil }
            return HistoryRecord(
                revision: after.index, time: after.time, author: transaction.author, note: transaction.note,
                object: object, name: name, change: new == nil ? .removed : old == nil ? .created : .updated,
                specification: new?.document)
        }
    }

    /// What a history begins with where the objects are older than it: each as it is, at the version that it has.
    public static func beginning(of state: ClusterState) -> [HistoryRecord] {
        state.objectsWithSpecification.compactMap { object in
            guard let (name, document, version, time) = state.specification(of: object) else { return nil }
            return HistoryRecord(
                revision: min(version.index, state.index), time: time, author: nil, note: nil, object: object,
                name: name, change: .created, specification: document)
        }
    }
}
