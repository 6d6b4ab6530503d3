import ArgumentParser
import EngineClient

/// The command line as ArgumentParser shall see it: the address before the verb taken out, `--flag=true` and
/// `--flag=false` resolved, a verb that does not exist refused.
struct CommandWords {
    private(set) var address: EngineAddress?
    private(set) var words: [String] = []

    /// Flags without a value.
    private static let switches: Set<String> = [
        "all", "attachable", "autolock", "detach", "digests", "dry-run", "encrypt", "follow", "force",
        "force-new-cluster",
        "force-rm", "global", "help", "ingress", "init", "interactive", "internal", "ipv6", "latest", "link",
        "no-healthcheck", "no-resolve", "no-resolve-image", "no-stream", "no-trunc", "oom-kill-disable", "pretty",
        "privileged", "prune", "publish-all", "quiet", "raw", "read-only", "rm", "rollback", "rotate", "sig-proxy",
        "size", "timestamps", "tty", "verbose", "volumes", "with-registry-auth", "yes",
    ]
    /// Flags of services that an update may take back.
    private static let negatable: Set<String> = ["init", "read-only", "tty"]
    /// Verbs whose options end at their first word, with the letters of their flags without a value.
    private static let passing: [String: String] = [
        "run": "ditPq", "create": "ditPq", "exec": "dit", "top": "", "service create": "dqt",
    ]

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        try takeAddress(&rest)
        if rest.first == "-v" { rest[rest.startIndex] = "--version" }
        if rest.first == "-h" { rest[rest.startIndex] = "--help" }
        var command: any ParsableCommand.Type = MartletCommand.self
        while let word = rest.first, !command.configuration.subcommands.isEmpty, !word.hasPrefix("-") {
            guard let next = Self.child(word, of: command) else {
                if word == "help" { break }
                throw CommandExit(code: 1, message: Self.unknown(word, after: words, in: command))
            }
            command = next
            words.append(word)
            rest = rest.dropFirst()
        }
        if words.first == "lab" || rest.first == "--version" {
            words = rest.first == "--version" ? ["version", "--short"] : words + rest
            return
        }
        let resolved = resolve(rest, of: words)
        // A verb that passes words on would pass this one on, too.
        words = resolved.first == "--help" ? ["help"] + words : words + resolved
    }

    private mutating func takeAddress(_ rest: inout ArraySlice<String>) throws {
        while let word = rest.first {
            var value: String?
            if word == "-H" || word == "--host" {
                guard rest.count > 1 else {
                    throw CommandExit(
                        code: CommandFailure.usageCode, message: "martlet: flag needs an argument: \(word)")
                }
                rest = rest.dropFirst()
                value = rest.first
            } else if word.hasPrefix("--host=") {
                value = String(word.dropFirst(7))
            } else if word.hasPrefix("-H") {
                value = String(word.dropFirst(2))
                if value?.hasPrefix("=") == true { value?.removeFirst() }
            } else {
                return
            }
            address = try EngineAddress(parsing: value ?? "")
            rest = rest.dropFirst()
        }
    }

    private static func child(_ word: String, of command: any ParsableCommand.Type) -> (any ParsableCommand.Type)? {
        command.configuration.subcommands.first {
            $0.configuration.commandName == word || $0.configuration.aliases.contains(word)
        }
    }

    private func resolve(_ rest: ArraySlice<String>, of verb: [String]) -> [String] {
        let path = (["container", "image"].contains(verb.first) ? verb.dropFirst() : verb[...]).joined(separator: " ")
        let letters = Self.passing[path]
        var resolved: [String] = []
        var index = rest.startIndex
        while index < rest.endIndex {
            let word = rest[index]
            if word == "--" { break }
            index += 1
            guard word.hasPrefix("-"), word != "-" else {
                if letters != nil {
                    index -= 1
                    break
                }
                resolved.append(word)
                continue
            }
            let name = word.drop { $0 == "-" }.prefix { $0 != "=" }
            let value = word.firstIndex(of: "=").map { word[word.index(after: $0)...] }
            if word.hasPrefix("--"), let value, Self.switches.contains(String(name)),
                let flag = Self.flag(String(value))
            {
                if flag {
                    resolved.append("--" + name)
                } else if name == "sig-proxy" || name == "autolock" && verb == ["swarm", "update"]
                    || verb.first == "service" && Self.negatable.contains(String(name))
                {
                    resolved.append("--no-" + name)
                }
                continue
            }
            if word == "--help", letters != nil { return [word] }
            guard let letters else {
                resolved.append(word)
                continue
            }
            var takesNext = false
            if word.hasPrefix("--") {
                resolved.append(word)
                takesNext = value == nil && !Self.switches.contains(String(name))
            } else {
                let expanded = Self.expand(word.dropFirst(), switches: letters)
                resolved += expanded.words
                takesNext = expanded.takesNext
            }
            if takesNext, index < rest.endIndex {
                resolved.append(rest[index])
                index += 1
            }
        }
        return resolved + rest[index...]
    }

    private static func flag(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "1", "t": true
        case "false", "0", "f": false
        default: nil
        }
    }

    /// The letters of `-itp80:80` one by one, with the value behind the last; whether that is in the next word.
    private static func expand(_ letters: Substring, switches: String) -> (words: [String], takesNext: Bool) {
        var words: [String] = []
        var rest = letters
        while let letter = rest.popFirst() {
            words.append("-\(letter)")
            if switches.contains(letter) {
                guard rest.first == "=", let flag = flag(String(rest.dropFirst())) else { continue }
                if !flag { words.removeLast() }
                return (words, false)
            }
            if rest.isEmpty { return (words, true) }
            return (words + [String(rest.first == "=" ? rest.dropFirst() : rest)], false)
        }
        return (words, false)
    }

    /// What to say of a verb that does not exist.
    static func unknown(_ word: String, after path: [String], in command: any ParsableCommand.Type) -> String {
        let names = command.configuration.subcommands.flatMap {
            [$0.configuration.commandName ?? ""] + $0.configuration.aliases
        }
        let whole = (["martlet"] + path).joined(separator: " ")
        var text = "martlet: unknown command: \(whole) \(word)\n"
        let like = names.filter { $0.hasPrefix(word) || Self.distance($0, word) <= max(1, word.count / 3) }.sorted()
        if !like.isEmpty { text += "\nDid you mean \(like.joined(separator: ", "))?\n" }
        return text + "\nRun '\(whole) --help' for more information"
    }

    /// Levenshtein's distance.
    static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (position, character) in left.enumerated() {
            var diagonal = row[0]
            row[0] = position + 1
            for index in right.indices {
                let cost = diagonal + (right[index] == character ? 0 : 1)
                diagonal = row[index + 1]
                row[index + 1] = min(cost, row[index] + 1, row[index + 1] + 1)
            }
        }
        return row[right.count]
    }
}
