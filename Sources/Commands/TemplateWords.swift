import JSON

/// Reads what stands between a template's braces.
struct TemplateWords {
    private let text: [Character]
    private var index = 0

    init(_ text: String) { self.text = Array(text) }

    private var isAtEnd: Bool { index >= text.count }

    private mutating func skipSpace() { while index < text.count, text[index].isWhitespace { index += 1 } }

    private func starts(with word: String) -> Bool { text[index...].starts(with: word) }

    mutating func finish() throws(TemplateError) {
        skipSpace()
        if !isAtEnd { throw TemplateError("template: :1: unexpected \"\(text[index])\" in operand") }
    }

    /// `$x :=` or `$x =`; nothing is taken where there is none.
    mutating func assignment() -> (name: String, declares: Bool)? {
        let start = index
        skipSpace()
        if !isAtEnd, text[index] == "$" {
            let name = variableName()
            skipSpace()
            if starts(with: ":=") {
                index += 2
                return (name, true)
            }
            if !isAtEnd, text[index] == "=" {
                index += 1
                return (name, false)
            }
        }
        index = start
        return nil
    }

    /// `$v :=` or `$k, $v :=` before a range's pipeline.
    mutating func declaration() throws(TemplateError) -> [String] {
        let start = index
        var names: [String] = []
        skipSpace()
        while !isAtEnd, text[index] == "$" {
            names.append(variableName())
            skipSpace()
            if !isAtEnd, text[index] == "," {
                index += 1
                skipSpace()
                continue
            }
            break
        }
        if !names.isEmpty, starts(with: ":=") {
            index += 2
            guard names.count <= 2 else { throw TemplateError("template: :1: too many declarations in range") }
            return names
        }
        index = start
        return []
    }

    private mutating func variableName() -> String {
        index += 1
        return identifier()
    }

    private mutating func identifier() -> String {
        let start = index
        while index < text.count, text[index].isLetter || text[index].isNumber || text[index] == "_" { index += 1 }
        return String(text[start..<index])
    }

    mutating func pipeline() throws(TemplateError) -> Template.Pipeline {
        var calls: [Template.Call] = []
        while true {
            let start = index
            var operands: [Template.Operand] = []
            skipSpace()
            while !isAtEnd, text[index] != "|", text[index] != ")" {
                operands.append(try operand())
                skipSpace()
            }
            guard !operands.isEmpty else { throw TemplateError("template: :1: missing value for command") }
            var source = String(text[start..<index])
            while source.first?.isWhitespace == true { source.removeFirst() }
            while source.last?.isWhitespace == true { source.removeLast() }
            calls.append(Template.Call(operands: operands, text: source))
            guard !isAtEnd, text[index] == "|" else { return Template.Pipeline(calls: calls) }
            index += 1
        }
    }

    private mutating func operand() throws(TemplateError) -> Template.Operand {
        let character = text[index]
        switch character {
        case "(":
            index += 1
            let inner = try pipeline()
            guard !isAtEnd, text[index] == ")" else { throw TemplateError("template: :1: unclosed left paren") }
            index += 1
            return members(of: .pipeline(inner))
        case ".":
            if index + 1 < text.count, text[index + 1].isLetter || text[index + 1] == "_" { return members(of: .dot) }
            index += 1
            return .dot
        case "$": return members(of: .variable(variableName()))
        case "\"": return .literal(.string(try quoted()))
        case "`":
            index += 1
            let start = index
            while !isAtEnd, text[index] != "`" { index += 1 }
            guard !isAtEnd else { throw TemplateError("template: :1: unterminated raw quoted string") }
            index += 1
            return .literal(.string(String(text[start..<index - 1])))
        case "-", "0"..."9":
            let start = index
            index += 1
            while index < text.count, text[index].isNumber || text[index] == "." { index += 1 }
            let number = String(text[start..<index])
            if let integer = Int64(number) { return .literal(.integer(integer)) }
            guard let value = Double(number) else { throw TemplateError("template: :1: bad number syntax: \(number)") }
            return .literal(.number(value))
        case _ where character.isLetter || character == "_":
            let name = identifier()
            switch name {
            case "true": return .literal(true)
            case "false": return .literal(false)
            case "nil": return .literal(nil)
            default:
                guard TemplateFunctions.names.contains(name) else {
                    throw TemplateError("template: :1: function \"\(name)\" not defined")
                }
                return .function(name)
            }
        default: throw TemplateError("template: :1: unexpected \"\(character)\" in operand")
        }
    }

    private mutating func members(of operand: Template.Operand) -> Template.Operand {
        var names: [String] = []
        while index + 1 < text.count, text[index] == ".", text[index + 1].isLetter || text[index + 1] == "_" {
            index += 1
            names.append(identifier())
        }
        return names.isEmpty ? operand : .fields(operand, names)
    }

    private mutating func quoted() throws(TemplateError) -> String {
        var result = ""
        index += 1
        while !isAtEnd, text[index] != "\"" {
            var character = text[index]
            if character == "\\", index + 1 < text.count {
                index += 1
                switch text[index] {
                case "n": character = "\n"
                case "t": character = "\t"
                default: character = text[index]
                }
            }
            result.append(character)
            index += 1
        }
        guard !isAtEnd else { throw TemplateError("template: :1: unterminated quoted string") }
        index += 1
        return result
    }
}
