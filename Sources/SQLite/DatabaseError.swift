import CSQLite
import Glibc

/// What SQLite refused: its extended result code, its message, and the statement that was run.
public struct DatabaseError: Error, Hashable, CustomStringConvertible {
    /// SQLite: Result and Error Codes (extended).
    public let code: Int32
    /// The system's error number behind it (errno(3)), where there is one.
    public let systemError: Int32
    public let message: String
    /// The SQL text without its values; the file's path where opening failed.
    public let statement: String

    public init(code: Int32, systemError: Int32 = 0, message: String, statement: String) {
        self.code = code
        self.systemError = systemError
        self.message = message
        self.statement = statement
    }

    /// The code without its extension, such as `SQLITE_BUSY`.
    public var primaryCode: Int32 { code & 0xff }

    /// The disk is full, or the quota on it used up: the transaction is rolled back, and the same is worth trying again
    /// when there is room. Not where a sync has failed for that reason: then what was written before may be lost.
    public var isFull: Bool {
        // The index of the write-ahead log could not grow.
        if primaryCode == SQLITE_FULL || code == FileCode.sharedSize { return true }
        guard primaryCode == SQLITE_IOERR, code != FileCode.sync, code != FileCode.directorySync else { return false }
        return systemError == ENOSPC || systemError == EDQUOT
    }

    /// The file does not hold what SQLite has written to it.
    public var isDamage: Bool {
        primaryCode == SQLITE_CORRUPT || primaryCode == SQLITE_NOTADB || code == FileCode.data
    }

    public var description: String { "SQLite \(code): \(message) (\(statement))" }
}
