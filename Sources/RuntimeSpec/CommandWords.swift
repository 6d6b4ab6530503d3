/// Options and what follows them, as a command line gives them: `--name value`, `--name=value`, `-n value`, and flags.
struct CommandWords {
    /// An option that a command knows.
    struct Option {
        var name: String
        var short: Character?
        var takesValue: Bool

        static func value(_ name: String, _ short: Character? = nil) -> Option {
            Option(name: name, short: short, takesValue: true)
        }

        static func flag(_ name: String, _ short: Character? = nil) -> Option {
            Option(name: name, short: short, takesValue: false)
        }

        /// Whether `word` is `--name`, `-name` or `-n`.
        fileprivate func isNamed(_ word: String) -> Bool {
            let given = word.dropFirst(word.hasPrefix("--") ? 2 : 1)
            return given == name || !word.hasPrefix("--") && given.count == 1 && given.first == short
        }
    }

    /// In the order in which they were given.
    private var values: [(name: String, text: String)] = []
    /// What is no option; all from the first such word on where options end there.
    private(set) var rest: [String] = []

    /// Options may follow arguments, as in runc.
    ///
    /// - Parameter endsAtArgument: takes words until the first that is no option; the words after it are not looked at,
    ///   since they may belong to a command of the container.
    init(
        _ words: ArraySlice<String>, _ options: [Option], endsAtArgument: Bool = false
    ) throws(InvocationError) {
        var words = words
        while let word = words.first {
            guard word.hasPrefix("-"), word != "-" else {
                if endsAtArgument { break }
                rest.append(words.removeFirst())
                continue
            }
            words.removeFirst()
            if word == "--" { break }
            let sign = word.firstIndex(of: "=")
            let flag = String(word[..<(sign ?? word.endIndex)])
            let given = sign.map { String(word[word.index(after: $0)...]) }
            guard let option = options.first(where: { $0.isNamed(flag) }) else {
                throw InvocationError("flag provided but not defined: \(flag)")
            }
            if option.takesValue {
                guard let value = given ?? words.popFirst() else {
                    throw InvocationError("flag needs an argument: \(flag)")
                }
                values.append((option.name, value))
            } else {
                let text = given ?? "true"
                guard text == "true" || text == "false" else {
                    throw InvocationError("invalid boolean value \"\(text)\" for \(flag)")
                }
                values.append((option.name, text))
            }
        }
        rest += words
    }

    func isSet(_ name: String) -> Bool { text(name) == "true" }
    func text(_ name: String) -> String? { values.last { $0.name == name }?.text }
    func all(_ name: String) -> [String] { values.filter { $0.name == name }.map(\.text) }

    func number<Number: FixedWidthInteger>(_ name: String, _ type: Number.Type = Number.self) throws(InvocationError)
        -> Number?
    {
        guard let text = text(name) else { return nil }
        guard let number = Number(text) else {
            throw InvocationError("invalid value \"\(text)\" for flag --\(name): not a number in range")
        }
        return number
    }
}

/// What is wrong with a command line.
public struct InvocationError: Error, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
