/// The words of a verb whose options end at the first of them: an image or container, and a command's words.
enum PassedWords {
    static func split(_ words: [String], verb: String, needs: String) throws -> (first: String, rest: [String]) {
        var words = words
        if words.first == "--" { words.removeFirst() }
        guard let first = words.first else {
            throw CommandExit(
                code: verb == "run" || verb == "create" ? CommandFailure.usageCode : 1,
                message:
                    "martlet: 'martlet \(verb)' needs \(needs)\n\nRun 'martlet \(verb) --help' for more information")
        }
        guard !first.hasPrefix("-") else {
            let text =
                first.hasPrefix("--")
                ? "unknown flag: \(first.prefix { $0 != "=" })" : "unknown shorthand flag in \(first)"
            throw CommandExit(
                code: CommandFailure.usageCode,
                message: "martlet: \(text), or it lacks its value\n\nRun 'martlet \(verb) --help' for more information")
        }
        return (first, Array(words.dropFirst()))
    }
}
