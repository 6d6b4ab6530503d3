import ClusterHistory
import ClusterModel
import WatchModel

/// What some commands did to the state.
struct AppliedCommands {
    /// After the last of them.
    var state: ClusterState
    var changes: [RevisedChange] = []
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
        for change in changes {
            self.changes.append(RevisedChange(revision: index, time: state.time, change: change))
        }
    }
}
