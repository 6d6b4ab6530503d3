import Glibc

/// A test as text: directives, and below each what it is expected to print. Whoever changes behaviour has the text
/// written anew and reads the difference.
///
///     # A comment, kept as it is.
///     directive with its words
///     ----
///     what it prints
///
/// An empty line ends the output of a directive.
public struct Script: Sendable {
    /// Where the output differs from what is expected.
    public struct Difference: Sendable, Hashable, CustomStringConvertible {
        /// From 1.
        public var line: Int
        public var directive: String
        public var expected: String
        public var found: String

        public var description: String {
            "line \(line): \(directive)\nexpected:\n\(expected)\nfound:\n\(found)"
        }
    }

    enum Part: Hashable, Sendable {
        /// Comments and empty lines, as they are.
        case text(String)
        case directive(String, expected: String, line: Int)
    }

    private(set) var parts: [Part] = []

    public init(_ text: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)[...]
        if lines.last == "" { lines.removeLast() }
        while let line = lines.popFirst() {
            guard lines.first == "----" else {
                parts.append(.text(line))
                continue
            }
            let number = lines.startIndex
            lines.removeFirst()
            let output = lines.prefix { !$0.isEmpty }
            lines.removeFirst(output.count)
            parts.append(.directive(line, expected: output.joined(separator: "\n"), line: number))
        }
    }

    /// Runs the directives in order.
    ///
    /// - Parameter body: what a directive prints.
    /// - Returns: the first difference, and the text as it would be right.
    public func run(_ body: (String) throws -> String) rethrows -> (difference: Difference?, text: String) {
        var difference: Difference?
        var text = ""
        for part in parts {
            switch part {
            case .text(let line): text += line + "\n"
            case .directive(let directive, let expected, let line):
                let found = try body(directive).split(separator: "\n").joined(separator: "\n")
                text += directive + "\n----\n" + (found.isEmpty ? "" : found + "\n")
                if difference == nil, found != expected {
                    difference = Difference(line: line, directive: directive, expected: expected, found: found)
                }
            }
        }
        return (difference, text)
    }

    /// Whether scripts are to be written as they would be right, instead of being compared: REWRITE=1.
    public static var isRewriting: Bool { getenv("REWRITE").map { String(cString: $0) == "1" } ?? false }
}
