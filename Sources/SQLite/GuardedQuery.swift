/// A statement of somebody else's, and what it may have.
public struct GuardedQuery: Sendable {
    public struct Limits: Hashable, Sendable {
        /// The statement's text.
        public var statementBytes = 64 << 10
        /// One value, made by the statement or in its answer.
        public var valueBytes = 4 << 20
        public var rows = 1_000
        /// The answer's texts and blobs together.
        public var answerBytes = 8 << 20
        /// From the first step to the last.
        public var milliseconds: Int64 = 5_000

        public init() {}
    }

    /// The rows of an answer; columns keep their names.
    public struct Answer: Hashable, Sendable {
        public var columns: [String] = []
        public var rows: [[StoredValue]] = []
        /// Whether there was more than the limits let through.
        public var isCut = false
    }

    /// Why a statement was not run to its end.
    public enum Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        case tooLong(bytes: Int, limit: Int)
        case notOneStatement
        /// It would write, or reach beyond what may be read; the words are SQLite's.
        case notAllowed(String)
        case tookTooLong(milliseconds: Int64)
        /// SQLite's own words.
        case failed(String)

        public var description: String {
            switch self {
            case .tooLong(let bytes, let limit): "the statement has \(bytes) bytes, more than \(limit)"
            case .notOneStatement: "exactly one statement is run"
            case .notAllowed(let reason): reason
            case .tookTooLong(let milliseconds): "the statement took longer than \(milliseconds) ms"
            case .failed(let reason): reason
            }
        }
    }

    public var text: String
    public var limits: Limits
    /// What may be read: columns by table. An empty set stands for every column.
    public var readable: [String: Set<String>]

    public init(_ text: String, readable: [String: Set<String>], limits: Limits = Limits()) {
        self.text = text
        self.readable = readable
        self.limits = limits
    }
}
