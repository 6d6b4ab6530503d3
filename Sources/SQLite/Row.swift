import CSQLite

/// The current row of a running query. It lives only inside the closure that receives it.
///
/// Columns are numbered from 0. A value of another storage class is converted as SQLite does (NULL reads as 0 or
/// empty); `isNull` tells NULL apart.
public struct Row: ~Copyable {
    let statement: OpaquePointer

    public func isNull(_ column: Int) -> Bool { sqlite3_column_type(statement, Int32(column)) == SQLITE_NULL }

    public func integer(_ column: Int) -> Int64 { sqlite3_column_int64(statement, Int32(column)) }

    /// An integer that was bound as a `UInt64`.
    public func unsigned(_ column: Int) -> UInt64 { UInt64(bitPattern: integer(column)) }

    public func bool(_ column: Int) -> Bool { integer(column) != 0 }

    public func real(_ column: Int) -> Double { sqlite3_column_double(statement, Int32(column)) }

    public func text(_ column: Int) -> String {
        guard let pointer = sqlite3_column_text(statement, Int32(column)) else { return "" }
        let count = Int(sqlite3_column_bytes(statement, Int32(column)))
        return String(decoding: UnsafeBufferPointer(start: pointer, count: count), as: UTF8.self)
    }

    public func blob(_ column: Int) -> [UInt8] {
        guard let pointer = sqlite3_column_blob(statement, Int32(column)) else { return [] }
        let count = Int(sqlite3_column_bytes(statement, Int32(column)))
        return [UInt8](UnsafeRawBufferPointer(start: pointer, count: count))
    }

    /// The value in its own storage class.
    public func value(_ column: Int) -> StoredValue {
        switch sqlite3_column_type(statement, Int32(column)) {
        case SQLITE_INTEGER: .integer(integer(column))
        case SQLITE_FLOAT: .real(real(column))
        case SQLITE_TEXT: .text(text(column))
        case SQLITE_BLOB: .blob(blob(column))
        default: .null
        }
    }
}
