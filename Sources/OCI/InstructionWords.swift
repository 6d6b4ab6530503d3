/// Words of a Dockerfile instruction: quotes are taken away, a backslash escapes, and `$name`, `${name}`,
/// `${name:-word}` and `${name:+word}` are replaced (Dockerfile reference: environment replacement).
struct InstructionWords {
    let variables: ExecutionParameters

    /// The words between white space.
    func split(_ text: Substring) throws(OCIError) -> [String] {
        var words: [String] = []
        for raw in try rawWords(text) {
            let word = try expanded(raw[...])
            if !word.isEmpty { words.append(word) }
        }
        return words
    }

    /// `name=value` words, or one name and the rest of the line.
    func pairs(_ text: Substring, _ instruction: String) throws(OCIError) -> [(String, String)] {
        let first = text.prefix { !$0.isWhitespace }
        guard first.contains("=") else {
            let rest = text.dropFirst(first.count).drop { $0.isWhitespace }
            guard !rest.isEmpty else { throw OCIError("\(instruction) must have two arguments") }
            return [(String(first), try expanded(rest))]
        }
        var pairs: [(String, String)] = []
        for word in try rawWords(text) {
            guard let equals = word.firstIndex(of: "=") else {
                throw OCIError(
                    "Syntax error - can't find = in \"\(word)\". Must be of the form: name=value")
            }
            let name = try expanded(word[..<equals])
            guard !name.isEmpty else { throw OCIError("\(instruction) names can not be blank") }
            pairs.append((name, try expanded(word[word.index(after: equals)...])))
        }
        return pairs
    }

    /// The text without quotes and with variables replaced.
    func expanded(_ text: Substring) throws(OCIError) -> String {
        var result = ""
        var rest = text
        var quote: Character?
        while let character = rest.popFirst() {
            switch character {
            case "'" where quote != "\"": quote = quote == nil ? "'" : nil
            case "\"" where quote != "'": quote = quote == nil ? "\"" : nil
            case "\\" where quote != "'":
                guard let next = rest.popFirst() else { return result + "\\" }
                if quote == "\"", !["\"", "$", "\\"].contains(next) { result.append("\\") }
                result.append(next)
            case "$" where quote != "'": result += try variable(&rest)
            default: result.append(character)
            }
        }
        guard quote == nil else { throw OCIError("unexpected end of statement while looking for matching quote") }
        return result
    }

    private func variable(_ rest: inout Substring) throws(OCIError) -> String {
        func isName(_ character: Character) -> Bool {
            character.isASCII && (character.isLetter || character.isNumber || character == "_")
        }
        guard rest.first == "{" else {
            let name = rest.prefix(while: isName)
            rest = rest.dropFirst(name.count)
            return name.isEmpty ? "$" : variables.variable(name) ?? ""
        }
        guard let end = rest.firstIndex(of: "}") else {
            throw OCIError("syntax error: missing '}' after \"$\(rest)\"")
        }
        let body = rest[rest.index(after: rest.startIndex)..<end]
        rest = rest[rest.index(after: end)...]
        let name = body.prefix(while: isName)
        let modifier = body.dropFirst(name.count)
        let value = variables.variable(name) ?? ""
        guard !name.isEmpty else { throw OCIError("syntax error: bad substitution \"${\(body)}\"") }
        if modifier.isEmpty { return value }
        if modifier.hasPrefix(":-") { return value.isEmpty ? String(modifier.dropFirst(2)) : value }
        if modifier.hasPrefix(":+") { return value.isEmpty ? "" : String(modifier.dropFirst(2)) }
        throw OCIError("unsupported modifier in substitution \"${\(body)}\"")
    }

    /// The words with their quotes and escapes.
    private func rawWords(_ text: Substring) throws(OCIError) -> [String] {
        var words: [String] = []
        var word = ""
        var rest = text
        var quote: Character?
        while let character = rest.popFirst() {
            if character.isWhitespace, quote == nil {
                if !word.isEmpty { words.append(word) }
                word = ""
                continue
            }
            word.append(character)
            if character == "\\", quote != "'", let next = rest.popFirst() { word.append(next) }
            if character == "'" || character == "\"" {
                if quote == nil { quote = character } else if quote == character { quote = nil }
            }
        }
        guard quote == nil else { throw OCIError("unexpected end of statement while looking for matching quote") }
        if !word.isEmpty { words.append(word) }
        return words
    }
}
