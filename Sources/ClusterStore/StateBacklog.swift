import ClusterHistory
import ClusterModel

/// What the state's file lacks of the state in memory: which objects, and their history. An object that changes many
/// times is in it once.
struct StateBacklog {
    /// Objects, and transactions, that wait at most.
    static let countLimit = 20_000
    /// Bytes of the commands that they come from.
    static let byteLimit = 32 << 20

    private(set) var keys: Set<ObjectKey> = []
    private(set) var records: [HistoryRecord] = []
    private(set) var transactions: [AppliedTransaction] = []
    private(set) var byteCount = 0
    /// The newest state, which holds the objects; nil where nothing is lacking.
    private(set) var state: ClusterState?

    var isEmpty: Bool { state == nil }
    /// Whether whoever has more has to wait.
    var isLarge: Bool { keys.count + transactions.count >= Self.countLimit || byteCount >= Self.byteLimit }

    mutating func add(_ news: AppliedCommands) {
        for change in news.changes { keys.insert(ObjectKey(kind: change.kind, id: change.id)) }
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

/// What some commands did to the state.
struct AppliedCommands {
    /// After the last of them.
    var state: ClusterState
    var changes: [AppliedChange] = []
    var records: [HistoryRecord] = []
    /// Those with an identifier, but for repetitions.
    var transactions: [AppliedTransaction] = []
    /// Of the commands together.
    var byteCount = 0

    init(state: ClusterState) { self.state = state }

    /// Applies one more; throws where it is refused.
    mutating func add(_ transaction: Transaction, at index: UInt64) throws(Refusal) {
        // The state has one holder: a second would have its trees copied along every path that is changed.
        let before = EarlierSpecifications(of: transaction, in: state)
        let isRepeated = transaction.id.map { state.recentTransactions.contains($0, at: index) } ?? true
        let changes = try state.apply(transaction, at: index)
        if let id = transaction.id, !isRepeated { transactions.append(AppliedTransaction(id: id, index: index)) }
        records += HistoryRecord.records(of: transaction, changes: changes, from: before, to: state)
        self.changes += changes
    }
}
