import ClusterHistory
import ClusterModel

/// What the state's file lacks of the state in memory: which objects, and their history. An object that changes many
/// times is in it once.
struct StateBacklog {
    /// Objects, and transactions, that wait at most.
    static let countLimit = 20_000
    /// Bytes of the commands that they come from.
    static let byteLimit = 32 << 20

    private(set) var keys: Set<ObjectReference> = []
    private(set) var records: [HistoryRecord] = []
    private(set) var transactions: [AppliedTransaction] = []
    private(set) var byteCount = 0
    /// The newest state, which holds the objects; nil where nothing is lacking.
    private(set) var state: ClusterState?

    var isEmpty: Bool { state == nil }
    /// Whether whoever has more has to wait.
    var isLarge: Bool { keys.count + transactions.count >= Self.countLimit || byteCount >= Self.byteLimit }

    mutating func add(_ news: AppliedCommands) {
        for change in news.changes { keys.insert(change.change.object) }
        records += news.records
        transactions += news.transactions
        byteCount += news.byteCount
        state = news.state
    }

    mutating func take() -> StateBacklog {
        defer { self = StateBacklog() }
        return self
    }

    /// What was taken could not be written.
    mutating func putBack(_ earlier: StateBacklog) {
        keys.formUnion(earlier.keys)
        records = earlier.records + records
        transactions = earlier.transactions + transactions
        byteCount += earlier.byteCount
        state = state ?? earlier.state
    }
}
