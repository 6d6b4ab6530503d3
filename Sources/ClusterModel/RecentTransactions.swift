import Collections

/// The identifiers of the latest transactions, so that one that is asked for again is not applied twice. A value: a
/// copy costs nothing.
///
/// The log is cut into generations; what is remembered are those of the current and the one before. So it follows from
/// the index alone, and is the same on a manager that began with a snapshot.
public struct RecentTransactions: Sendable {
    /// Entries of a generation: one that is asked for again this many entries later is still known.
    public static let generationLength: UInt64 = 16_384

    private var generation: UInt64 = 0
    private var current = TreeSet<String>()
    private var previous = TreeSet<String>()

    public init() {}

    /// What a store holds, as of an index.
    public init(_ transactions: [AppliedTransaction], at index: UInt64) {
        advance(to: index)
        for transaction in transactions {
            switch transaction.index / Self.generationLength {
            case generation: current.insert(transaction.id)
            case generation &- 1: previous.insert(transaction.id)
            default: break
            }
        }
    }

    public func contains(_ id: String) -> Bool { current.contains(id) || previous.contains(id) }

    /// Whether a transaction at an index would be a repetition.
    public func contains(_ id: String, at index: UInt64) -> Bool {
        var then = self
        then.advance(to: index)
        return then.contains(id)
    }

    public var isEmpty: Bool { current.isEmpty && previous.isEmpty }

    /// Transactions at smaller indices are forgotten.
    public var oldestIndex: UInt64 { generation > 0 ? (generation - 1) * Self.generationLength : 0 }

    /// The log has come to an index.
    mutating func advance(to index: UInt64) {
        let next = index / Self.generationLength
        guard next > generation else { return }
        previous = next == generation + 1 ? current : []
        current = []
        generation = next
    }

    /// Remembers a transaction at the index that was advanced to.
    mutating func insert(_ id: String) { current.insert(id) }
}

/// A transaction that was applied and may be asked for again.
public struct AppliedTransaction: Hashable, Sendable, Codable {
    public let id: String
    public let index: UInt64

    public init(id: String, index: UInt64) {
        self.id = id
        self.index = index
    }
}
