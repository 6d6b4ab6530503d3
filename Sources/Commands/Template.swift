import JSON

/// Why a template cannot be read or filled in.
struct TemplateError: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// A template of `--format`: the part of Go's text/template that docker's users write.
///
/// Fields (`.A.B`, `$x.A`), variables, pipes, parentheses, `if`, `else if`, `else`, `with`, `range`, `end`, trim
/// markers and the functions of `TemplateFunctions`.
struct Template: Sendable {
    /// Something that has a value.
    indirect enum Operand: Sendable {
        case dot
        case literal(JSONValue)
        case variable(String)
        case function(String)
        case pipeline(Pipeline)
        /// Members of another operand.
        case fields(Operand, [String])
    }

    /// Operands of which the first is the function or the only one.
    struct Call: Sendable {
        var operands: [Operand]
        var text: String
    }

    struct Pipeline: Sendable {
        var calls: [Call]
    }

    indirect enum Node: Sendable {
        case text(String)
        case output(Pipeline)
        case assignment(String, Pipeline, declares: Bool)
        case condition(Pipeline, then: [Node], otherwise: [Node])
        case with(Pipeline, then: [Node], otherwise: [Node])
        case range(Pipeline, names: [String], body: [Node], otherwise: [Node])
    }

    let nodes: [Node]

    init(_ text: String) throws(TemplateError) {
        var parser = TemplateParser(try TemplateParser.pieces(of: text))
        nodes = try parser.nodes()
        if let ending = parser.ending { throw TemplateError("template: :1: unexpected {{\(ending)}}") }
    }
}

/// Reads a template's pieces into nodes.
struct TemplateParser {
    enum Piece: Hashable {
        case text(String)
        case action(String)
    }

    private let pieces: [Piece]
    private var position = 0
    /// The action that ended the last list of nodes: `end`, `else`, `else if ...`; nil at the end of the template.
    private(set) var ending: String?

    init(_ pieces: [Piece]) { self.pieces = pieces }

    /// Splits at the braces; comments and trim markers are dealt with here.
    static func pieces(of text: String) throws(TemplateError) -> [Piece] {
        var pieces: [Piece] = []
        var rest = text[...]
        var trimsStart = false
        while true {
            let open = rest.firstRange(of: "{{")
            var plain = rest[..<(open?.lowerBound ?? rest.endIndex)]
            if trimsStart { plain = plain.drop(while: \.isWhitespace) }
            trimsStart = false
            guard let open else {
                if !plain.isEmpty { pieces.append(.text(String(plain))) }
                return pieces
            }
            rest = rest[open.upperBound...]
            if rest.hasPrefix("-"), rest.dropFirst().first?.isWhitespace == true {
                rest = rest.dropFirst()
                while plain.last?.isWhitespace == true { plain = plain.dropLast() }
            }
            if !plain.isEmpty { pieces.append(.text(String(plain))) }
            guard let end = closing(rest) else { throw TemplateError("template: :1: unclosed action") }
            var action = rest[..<end.lowerBound]
            rest = rest[end.upperBound...]
            if action.hasSuffix("-"), action.dropLast().last?.isWhitespace == true {
                action = action.dropLast()
                trimsStart = true
            }
            while action.first?.isWhitespace == true { action = action.dropFirst() }
            while action.last?.isWhitespace == true { action = action.dropLast() }
            if action.hasPrefix("/*"), action.hasSuffix("*/") { continue }
            pieces.append(.action(String(action)))
        }
    }

    /// The closing braces outside of texts.
    private static func closing(_ text: Substring) -> Range<Substring.Index>? {
        var quote: Character?
        var index = text.startIndex
        while index < text.endIndex {
            let character = text[index]
            let next = text.index(after: index)
            if let open = quote {
                if character == "\\", open == "\"", next < text.endIndex {
                    index = text.index(after: next)
                    continue
                }
                if character == open { quote = nil }
            } else if character == "\"" || character == "`" {
                quote = character
            } else if character == "}", next < text.endIndex, text[next] == "}" {
                return index..<text.index(after: next)
            }
            index = next
        }
        return nil
    }

    /// Nodes up to `end`, `else` or the template's end.
    mutating func nodes() throws(TemplateError) -> [Template.Node] {
        var nodes: [Template.Node] = []
        ending = nil
        while position < pieces.count {
            let piece = pieces[position]
            position += 1
            guard case .action(let action) = piece else {
                if case .text(let text) = piece { nodes.append(.text(text)) }
                continue
            }
            let (word, rest) = Self.firstWord(action)
            switch word {
            case "end", "else":
                ending = action
                return nodes
            case "if", "with":
                nodes.append(try conditional(word, rest))
            case "range":
                var words = TemplateWords(rest)
                let names = try words.declaration()
                let pipeline = try words.pipeline()
                try words.finish()
                let body = try self.nodes()
                let otherwise = try ending == "else" ? self.nodes() : []
                try expectEnd(of: word)
                nodes.append(.range(pipeline, names: names, body: body, otherwise: otherwise))
            default:
                var words = TemplateWords(action)
                if let (name, declares) = words.assignment() {
                    nodes.append(.assignment(name, try words.pipeline(), declares: declares))
                } else {
                    nodes.append(.output(try words.pipeline()))
                }
                try words.finish()
            }
        }
        return nodes
    }

    private mutating func conditional(_ word: String, _ condition: String) throws(TemplateError) -> Template.Node {
        var words = TemplateWords(condition)
        let pipeline = try words.pipeline()
        try words.finish()
        let then = try nodes()
        var otherwise: [Template.Node] = []
        if let action = ending, Self.firstWord(action).word == "else" {
            let (next, rest) = Self.firstWord(Self.firstWord(action).rest)
            if next == "if" || next == "with" {
                otherwise = [try conditional(next, rest)]
                return word == "if"
                    ? .condition(pipeline, then: then, otherwise: otherwise)
                    : .with(pipeline, then: then, otherwise: otherwise)
            }
            otherwise = try nodes()
        }
        try expectEnd(of: word)
        return word == "if"
            ? .condition(pipeline, then: then, otherwise: otherwise)
            : .with(pipeline, then: then, otherwise: otherwise)
    }

    private mutating func expectEnd(of word: String) throws(TemplateError) {
        guard ending == "end" else { throw TemplateError("template: :1: {{\(word)}} without {{end}}") }
        ending = nil
    }

    private static func firstWord(_ action: String) -> (word: String, rest: String) {
        let word = action.prefix { $0.isLetter }
        return (String(word), String(action.dropFirst(word.count).drop(while: \.isWhitespace)))
    }
}
