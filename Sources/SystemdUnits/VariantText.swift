/// A value of D-Bus in GVariant's text format: what units' properties need of it, which is `true`, numbers (`5` is an
/// int32, `1.5` a double, `uint64 5` and `@t 5` what they say), `'text'` or `"text"`, and arrays of one type.
enum VariantText {
    private static let types: [String: DBusType.Basic] = [
        "boolean": .boolean, "byte": .byte, "int16": .int16, "uint16": .uint16, "int32": .int32, "uint32": .uint32,
        "int64": .int64, "uint64": .uint64, "double": .double, "string": .string, "objectpath": .objectPath,
        "signature": .signature,
    ]

    /// Nil for what is no such value.
    static func parse(_ text: String) -> DBusValue? {
        var rest = text[...].trimmed
        guard let value = value(&rest), rest.trimmed.isEmpty else { return nil }
        return value
    }

    private static func value(_ rest: inout Substring) -> DBusValue? {
        rest = rest.trimmed
        guard let first = rest.first else { return nil }
        switch first {
        case "[":
            rest.removeFirst()
            return array(&rest)
        case "'", "\"": return quoted(&rest).map { .string($0) }
        default: break
        }
        let word = rest.prefix { !$0.isWhitespace && $0 != "," && $0 != "]" }
        rest = rest.dropFirst(word.count)
        if let type = type(word) { return typed(type, &rest) }
        if let flag = Bool(String(word)) { return .bool(flag) }
        return number(word, word.contains(".") ? .double : .int32)
    }

    /// `uint64`, `@t`.
    private static func type(_ word: Substring) -> DBusType.Basic? {
        guard word.first == "@" else { return types[String(word)] }
        guard word.utf8.count == 2, let letter = word.utf8.last else { return nil }
        return DBusType.Basic(rawValue: letter)
    }

    private static func typed(_ type: DBusType.Basic, _ rest: inout Substring) -> DBusValue? {
        rest = rest.trimmed
        switch type {
        case .string: return quoted(&rest).map { .string($0) }
        case .signature: return quoted(&rest).map { .signature($0) }
        case .objectPath:
            return quoted(&rest).flatMap { DBusValue.isObjectPath($0) ? .objectPath($0) : nil }
        case .boolean:
            guard case .bool(let flag)? = value(&rest) else { return nil }
            return .bool(flag)
        default:
            let word = rest.prefix { !$0.isWhitespace && $0 != "," && $0 != "]" }
            rest = rest.dropFirst(word.count)
            return number(word, type)
        }
    }

    private static func number(_ word: Substring, _ type: DBusType.Basic) -> DBusValue? {
        switch type {
        case .byte: UInt8(word).map { .byte($0) }
        case .int16: Int16(word).map { .int16($0) }
        case .uint16: UInt16(word).map { .uint16($0) }
        case .int32: Int32(word).map { .int32($0) }
        case .uint32: UInt32(word).map { .uint32($0) }
        case .int64: Int64(word).map { .int64($0) }
        case .uint64: UInt64(word).map { .uint64($0) }
        case .double: Double(word).map { .double($0) }
        default: nil
        }
    }

    private static func array(_ rest: inout Substring) -> DBusValue? {
        var values: [DBusValue] = []
        while let element = value(&rest) {
            values.append(element)
            rest = rest.trimmed
            guard let mark = rest.popFirst(), mark == "," || mark == "]" else { return nil }
            guard mark == "]" else { continue }
            let type = values[0].type
            return values.allSatisfy { $0.type == type } ? .array(type, values) : nil
        }
        return nil
    }

    private static func quoted(_ rest: inout Substring) -> String? {
        guard let quote = rest.popFirst(), quote == "'" || quote == "\"" else { return nil }
        var text = ""
        while let character = rest.popFirst() {
            if character == quote { return text }
            guard character == "\\" else {
                text.append(character)
                continue
            }
            guard let escaped = rest.popFirst() else { return nil }
            text.append(["n": "\n", "t": "\t", "r": "\r"][escaped] ?? escaped)
        }
        return nil
    }
}
