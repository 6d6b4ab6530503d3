import JSON
import LinuxSystem
import SQLite
import Values

/// The rows that a statement found.
public struct StateQueryAnswer: Hashable, Sendable {
    public var columns: [String]
    public var rows: [[JSONValue]]
    /// Whether there was more than the limits let through.
    public var isCut: Bool
}

/// Why a statement was not run.
public struct StateQueryRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

extension ClusterStore {
    /// What statements may read: every table that holds no secret, and of the cluster's what is not one. The CA's key
    /// and the join tokens are in `cluster.body`.
    static let readable: [String: Set<String>] = [
        "applied": [], "attachment": [], "cluster": ["id"], "history": [], "horizon": [], "network": [], "node": [],
        "service": [], "task": [], "config": [], "secret": ["id", "name", "version"],
        // The schema, and JSON taken apart.
        "sqlite_master": [], "json_each": [], "json_tree": [],
    ]

    /// Runs one statement that reads the applied state; it holds nothing up. Call it where a thread may wait.
    public func query(_ statement: String) throws -> StateQueryAnswer {
        let database = try reader()
        // They are made at their first use, which the guard would take for the making of a table.
        try database.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')")
        let answer: GuardedQuery.Answer
        do {
            answer = try database.run(
                GuardedQuery(statement, readable: Self.readable), now: { Clock.sinceBoot() / 1_000_000 })
        } catch {
            throw StateQueryRefusal(description: error.description)
        }
        return StateQueryAnswer(
            columns: answer.columns, rows: answer.rows.map { $0.map(Self.json) }, isCut: answer.isCut)
    }

    private static func json(_ value: StoredValue) -> JSONValue {
        switch value {
        case .null: .null
        case .integer(let number): .integer(number)
        case .real(let number): number.isFinite ? .number(number) : .null
        case .text(let text): .string(text)
        case .blob(let bytes): .string(Base64.encode(bytes))
        }
    }
}
