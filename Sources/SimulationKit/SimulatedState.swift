import ClusterModel
import JSON
import RaftCore

/// What a simulated group keeps: lists, which show whether clients were told the truth, and the cluster's state.
struct SimulatedState {
    var lists = ListStore()
    var cluster = ClusterState()

    /// What a log entry asks for.
    enum Command {
        case append(ListStore.Command)
        case transaction(Transaction)

        private static let appendKind: UInt8 = 1
        private static let transactionKind: UInt8 = 2

        var bytes: [UInt8] {
            get throws {
                switch self {
                case .append(let command): [Self.appendKind] + command.bytes
                case .transaction(let transaction): [Self.transactionKind] + (try JSONCoding.encode(transaction))
                }
            }
        }

        init?(bytes: [UInt8]) {
            switch bytes.first {
            case Self.appendKind:
                guard let command = ListStore.Command(bytes: Array(bytes.dropFirst())) else { return nil }
                self = .append(command)
            case Self.transactionKind:
                let json = Array(bytes.dropFirst())
                guard let transaction = try? JSONCoding.decode(Transaction.self, from: json) else { return nil }
                self = .transaction(transaction)
            default: return nil
            }
        }
    }

    /// What came of an entry.
    enum Outcome {
        case nothing
        /// Whether it is certain that it happened once.
        case appended(ListStore.Command, isCertain: Bool)
        case changed(Transaction, [AppliedChange], Refusal?)
    }

    mutating func apply(_ entry: Entry) -> Outcome {
        guard case .command(let bytes) = entry.payload, let command = Command(bytes: bytes) else { return .nothing }
        switch command {
        case .append(let append): return .appended(append, isCertain: lists.apply(append, at: entry.index))
        case .transaction(let transaction):
            do throws(Refusal) {
                return .changed(transaction, try cluster.apply(transaction, at: entry.index), nil)
            } catch {
                return .changed(transaction, [], error)
            }
        }
    }
}
