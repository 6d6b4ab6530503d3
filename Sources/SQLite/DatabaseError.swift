import CSQLite

/// What SQLite refused: its extended result code, its message, and the statement that was run.
public struct DatabaseError: Error, Hashable, CustomStringConvertible {
    /// SQLite: Result and Error Codes (extended).
    public let code: Int32
    public let message: String
    /// The SQL text without its values; the file's path where opening failed.
    public let statement: String

    public init(code: Int32, message: String, statement: String) {
        self.code = code
        self.message = message
        self.statement = statement
    }

    /// The code without its extension, such as `SQLITE_BUSY`.
    public var primaryCode: Int32 { code & 0xff }

    /// The disk is full.
    public var isFull: Bool { primaryCode == SQLITE_FULL }

    public var description: String { "SQLite \(code): \(message) (\(statement))" }
}
