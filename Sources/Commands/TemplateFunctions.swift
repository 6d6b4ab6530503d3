import JSON

/// The functions that templates may call: Go's and docker's.
enum TemplateFunctions {
    static let names: Set<String> = [
        "json", "index", "len", "join", "split", "println", "print", "printf", "upper", "lower", "title", "pad",
        "truncate", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "slice", "table",
    ]

    static func call(_ name: String, _ arguments: [JSONValue], text: String) throws(TemplateError) -> JSONValue {
        func fail(_ reason: String) -> TemplateError {
            TemplateError("template: :1: executing \"\" at <\(text)>: error calling \(name): \(reason)")
        }
        func need(_ count: Int) throws(TemplateError) {
            guard arguments.count == count else {
                throw TemplateError(
                    "template: :1: executing \"\" at <\(text)>: wrong number of args for \(name): want \(count) got "
                        + "\(arguments.count)")
            }
        }
        switch name {
        case "json":
            try need(1)
            return .string(visible(arguments[0]).text)
        case "index":
            guard !arguments.isEmpty else { throw fail("missing value") }
            return try index(arguments[0], arguments.dropFirst(), fail)
        case "len":
            try need(1)
            switch arguments[0] {
            case .array(let elements): return .integer(Int64(elements.count))
            case .object(let members): return .integer(Int64(members.count))
            case .string(let text): return .integer(Int64(text.utf8.count))
            case .null: return 0
            default: throw fail("len of type number")
            }
        case "join":
            try need(2)
            return .string((arguments[0].array ?? []).map(self.text).joined(separator: self.text(arguments[1])))
        case "split":
            try need(2)
            let separator = self.text(arguments[1])
            return .strings(separator.isEmpty ? [] : parts(self.text(arguments[0]), separator))
        case "println": return .string(arguments.map(self.text).joined(separator: " ") + "\n")
        case "print": return .string(arguments.map(self.text).joined())
        case "printf":
            guard let format = arguments.first?.string else { throw fail("missing format") }
            return .string(printf(format, arguments.dropFirst()))
        case "upper":
            try need(1)
            return .string(self.text(arguments[0]).uppercased())
        case "lower":
            try need(1)
            return .string(self.text(arguments[0]).lowercased())
        case "title":
            try need(1)
            let whole = self.text(arguments[0])
            return .string(whole.prefix(1).uppercased() + whole.dropFirst())
        case "pad":
            try need(3)
            let whole = self.text(arguments[0])
            guard !whole.isEmpty, let before = arguments[1].integer, let after = arguments[2].integer,
                (0...1000).contains(before), (0...1000).contains(after)
            else { return .string(whole) }
            return .string(
                String(repeating: " ", count: Int(before)) + whole + String(repeating: " ", count: Int(after)))
        case "truncate":
            try need(2)
            return .string(String(self.text(arguments[0]).prefix(Int(clamping: arguments[1].integer ?? 0))))
        case "eq":
            guard let first = arguments.first, arguments.count > 1 else {
                throw fail("missing argument for comparison")
            }
            return .bool(arguments.dropFirst().contains(first))
        case "ne":
            try need(2)
            return .bool(arguments[0] != arguments[1])
        case "lt", "le", "gt", "ge":
            try need(2)
            return .bool(compare(name, arguments[0], arguments[1]))
        case "and": return arguments.first { !isTrue($0) } ?? arguments.last ?? .null
        case "or": return arguments.first(where: isTrue) ?? arguments.last ?? .null
        case "not":
            try need(1)
            return .bool(!isTrue(arguments[0]))
        case "slice": return try slice(arguments, fail)
        default: throw fail("not available")
        }
    }

    private static func index(
        _ value: JSONValue, _ keys: ArraySlice<JSONValue>, _ fail: (String) -> TemplateError
    ) throws(TemplateError) -> JSONValue {
        var value = value
        for key in keys {
            switch value {
            case .object(let members): value = members[text(key)] ?? .null
            case .array(let elements):
                guard let position = key.integer, elements.indices.contains(Int(clamping: position)) else {
                    throw fail("index out of range: \(text(key))")
                }
                value = elements[Int(position)]
            case .null: throw fail("index of untyped nil")
            default: throw fail("can't index item of type string")
            }
        }
        return value
    }

    private static func slice(
        _ arguments: [JSONValue], _ fail: (String) -> TemplateError
    ) throws(TemplateError) -> JSONValue {
        guard let value = arguments.first else { throw fail("missing value") }
        let count = value.array?.count ?? value.string.map { $0.count } ?? 0
        let start = arguments.count > 1 ? Int(clamping: arguments[1].integer ?? 0) : 0
        let end = arguments.count > 2 ? Int(clamping: arguments[2].integer ?? 0) : count
        guard 0 <= start, start <= end, end <= count else { throw fail("index out of range: \(end)") }
        if let elements = value.array { return .array(Array(elements[start..<end])) }
        guard let whole = value.string else { throw fail("can't slice item of type number") }
        return .string(String(whole.dropFirst(start).prefix(end - start)))
    }

    private static func compare(_ name: String, _ left: JSONValue, _ right: JSONValue) -> Bool {
        let order: Int
        if let first = left.number, let second = right.number {
            order = first < second ? -1 : first > second ? 1 : 0
        } else {
            let (first, second) = (text(left), text(right))
            order = first < second ? -1 : first > second ? 1 : 0
        }
        return switch name {
        case "lt": order < 0
        case "le": order <= 0
        case "gt": order > 0
        default: order >= 0
        }
    }

    private static func parts(_ text: String, _ separator: String) -> [String] {
        var parts: [String] = []
        var rest = text[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }

    /// `%s`, `%d`, `%v`, `%q`, `%t` and `%%`, with a width.
    private static func printf(_ format: String, _ arguments: ArraySlice<JSONValue>) -> String {
        var result = ""
        var arguments = arguments
        var rest = format[...]
        while let percent = rest.firstIndex(of: "%") {
            result += rest[..<percent]
            rest = rest[rest.index(after: percent)...]
            let flags = rest.prefix { $0 == "-" || $0.isNumber || $0 == "." }
            rest = rest.dropFirst(flags.count)
            guard let verb = rest.popFirst() else { break }
            if verb == "%" {
                result += "%"
                continue
            }
            guard let argument = arguments.popFirst() else {
                result += "%!\(verb)(MISSING)"
                continue
            }
            let value = verb == "q" ? JSONValue.string(text(argument)).text : text(argument)
            let width = min(Int(flags.drop { $0 == "-" }.prefix { $0.isNumber }) ?? 0, 1000)
            let space = String(repeating: " ", count: max(0, width - value.count))
            result += flags.hasPrefix("-") ? value + space : space + value
        }
        return result + rest
    }

    /// Go's truth: neither false, 0, empty nor nil.
    static func isTrue(_ value: JSONValue) -> Bool {
        switch value {
        case .null: false
        case .bool(let flag): flag
        case .integer(let number): number != 0
        case .unsigned: true
        case .number(let number): number != 0
        case .string(let text): !text.isEmpty
        case .array(let elements): !elements.isEmpty
        case .object(let members): !members.isEmpty
        }
    }

    /// A value as Go prints it.
    static func text(_ value: JSONValue) -> String {
        switch value {
        case .null: return "<no value>"
        case .bool(let flag): return flag ? "true" : "false"
        case .integer(let number): return String(number)
        case .unsigned(let number): return String(number)
        case .number(let number): return "\(number)"
        case .string(let text): return text
        case .array(let elements): return "[" + elements.map(inner).joined(separator: " ") + "]"
        case .object(let members):
            let shown = members.filter { $0.key != Template.labelsMember }.sorted { $0.key < $1.key }
            return "map[" + shown.map { "\($0.key):\(inner($0.value))" }.joined(separator: " ") + "]"
        }
    }

    private static func inner(_ value: JSONValue) -> String { value.isNull ? "<nil>" : text(value) }

    /// A row without what is not a field.
    private static func visible(_ value: JSONValue) -> JSONValue {
        var value = value
        if value[Template.labelsMember] != nil { value[Template.labelsMember] = nil }
        return value
    }
}
