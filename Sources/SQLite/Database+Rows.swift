extension Database {
    /// All rows of a query whose values are in an array.
    public func rows<Value>(
        _ sql: String, values: [(any DatabaseValue)?], body: (borrowing Row) throws(DatabaseError) -> Value
    ) throws(DatabaseError) -> [Value] {
        var result: [Value] = []
        try run(sql, values) { row throws(DatabaseError) in
            result.append(try body(row))
            return true
        }
        return result
    }
}
