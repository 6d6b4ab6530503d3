import EngineClient
import Glibc
import LinuxSystem
import Values

/// Lists of `key=value` divided by commas, as `--mount`, `--publish` and `--network` take them (RFC 4180 quoting).
enum KeyedFields {
    /// The fields in their order; the value is nil where there is no `=`.
    static func parse(_ text: String) -> [(key: String, value: String?)] {
        fields(text).map { field in
            guard let equals = field.firstIndex(of: "=") else { return (field.lowercased(), nil) }
            return (field[..<equals].lowercased(), String(field[field.index(after: equals)...]))
        }
    }

    private static func fields(_ text: String) -> [String] {
        var fields = [""]
        var isQuoted = false
        var index = text.startIndex
        while index < text.endIndex {
            let character = text[index]
            let next = text.index(after: index)
            if character == "\"" {
                if isQuoted, next < text.endIndex, text[next] == "\"" {
                    fields[fields.count - 1].append("\"")
                    index = text.index(after: next)
                    continue
                }
                isQuoted.toggle()
            } else if character == ",", !isQuoted {
                fields.append("")
            } else {
                fields[fields.count - 1].append(character)
            }
            index = next
        }
        return fields
    }

    /// A switch among the fields: `readonly`, `readonly=true`, `readonly=0`.
    static func flag(_ value: String?, _ key: String, of text: String, flag: String) throws(FlagError) -> Bool {
        switch value?.lowercased() {
        case nil, "true", "1": return true
        case "false", "0": return false
        default: throw FlagError(flag, text, "invalid value for \(key): \(value ?? "")")
        }
    }
}

/// Flags whose value is `NAME=VALUE`.
enum Assignments {
    /// Labels, options and sysctls; the value is empty where there is no `=`.
    static func dictionary(_ texts: [String]) -> [String: String] {
        var result: [String: String] = [:]
        for text in texts {
            let equals = text.firstIndex(of: "=")
            result[String(text[..<(equals ?? text.endIndex)])] =
                equals.map { String(text[text.index(after: $0)...]) } ?? ""
        }
        return result
    }

    /// The name before the first `=`.
    static func name(_ text: String) -> String { String(text.prefix { $0 != "=" }) }

    /// Environment variables: those of the files first, then the flags'. A name without a value takes this process's.
    static func environment(
        _ texts: [String], files: [String] = [], flag: String = "--env", own: (String) -> String? = Environment.value
    ) throws -> [String] {
        var result = try files.flatMap { try lines(ofFile: $0, flag: "--env-file", own: own) }
        for text in texts {
            guard !text.isEmpty, text.first != "=" else { throw FlagError(flag, text, "invalid environment variable") }
            result.append(text.contains("=") ? text : own(text).map { "\(text)=\($0)" } ?? text)
        }
        return result
    }

    /// Lines of `NAME=VALUE` or `NAME`, without empty ones and comments.
    static func lines(ofFile path: String, flag: String, own: (String) -> String?) throws -> [String] {
        let text: String
        do {
            text = try Files.text(path)
        } catch {
            throw FlagError(flag, path, String(cString: strerror(error.errno)))
        }
        var result: [String] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let line = String(line.drop(while: \.isWhitespace))
            if line.isEmpty || line.hasPrefix("#") { continue }
            let name = Assignments.name(line)
            guard !name.isEmpty else { throw FlagError(flag, path, "no variable name on line '\(line)'") }
            guard !name.contains(where: \.isWhitespace) else {
                throw FlagError(flag, path, "variable '\(name)' contains whitespaces")
            }
            if line.contains("=") {
                result.append(line)
            } else if let value = own(name) {
                result.append("\(name)=\(value)")
            }
        }
        return result
    }
}

/// Flags whose value is a number.
enum NumberFlag {
    /// Bytes of `512m`, `1.5GiB`, `100`.
    static func bytes(_ text: String, flag: String) throws(FlagError) -> Int64 {
        guard let count = ByteCount(parsing: text) else {
            throw FlagError(flag, text, "invalid size: write 512m, 1.5g and the like")
        }
        return count.bytes
    }

    /// Billionths of a processor of `1.5`.
    static func nanoCPUs(_ text: String, flag: String) throws(FlagError) -> Int64 {
        guard let number = Double(text), number >= 0, number < 1e6 else {
            throw FlagError(flag, text, "failed to parse as a rational number")
        }
        return Int64((number * 1e9).rounded())
    }
}
