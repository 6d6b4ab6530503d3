import ClusterModel

/// Which changes concern a watcher.
public enum WatchFilter: Hashable, Sendable {
    case kinds(KindSet)
    /// These alone, each named once.
    case objects([ObjectReference])

    public static func kinds(_ kinds: some Sequence<ObjectKind>) -> WatchFilter { .kinds(KindSet(kinds)) }

    public func matches(_ change: AppliedChange) -> Bool {
        switch self {
        case .kinds(let kinds): kinds.contains(change.kind)
        case .objects(let objects): objects.contains { $0.kind == change.kind && $0.id == change.id }
        }
    }
}

/// Some kinds of object, a bit for each: it is asked for every change and watch.
public struct KindSet: Hashable, Sendable, Sequence {
    private var bits: UInt8 = 0

    public init(_ kinds: some Sequence<ObjectKind>) {
        for kind in kinds { bits |= 1 << kind.place }
    }

    public func contains(_ kind: ObjectKind) -> Bool { bits & 1 << kind.place != 0 }

    public func makeIterator() -> some IteratorProtocol<ObjectKind> {
        ObjectKind.allCases.lazy.filter(contains).makeIterator()
    }
}

extension ObjectKind {
    /// Among all kinds, from 0.
    var place: Int {
        switch self {
        case .cluster: 0
        case .node: 1
        case .service: 2
        case .task: 3
        case .network: 4
        case .attachment: 5
        case .config: 6
        case .secret: 7
        }
    }
}
