/// How a program is found, and what Docker says and answers where it is not.
public enum SearchPath {
    /// Where Docker looks when the environment has no PATH.
    public static let fallback = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// What is at a path.
    public enum Finding: Hashable, Sendable {
        case missing
        /// A link or directory on the way is not to be entered.
        case forbidden
        case directory
        case notExecutable
        case executable
    }

    /// The value of `name` in an environment of `NAME=value`; the last one counts.
    public static func value(of name: String, in environment: [String]) -> String? {
        let prefix = name + "="
        return environment.last { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    }

    /// The path of the program `name`, looked up with `look`; relative directories of PATH are those of the working
    /// directory.
    public static func find(
        _ name: String, environment: [String], look: (String) -> Finding
    ) throws(ProgramNotFound) -> String {
        if name.isEmpty { throw ProgramNotFound(name, "executable file not found in $PATH", code: 127) }
        if name.contains("/") {
            switch look(name) {
            case .executable: return name
            case .missing: throw ProgramNotFound(name, "stat \(name): no such file or directory", code: 127)
            case .directory: throw ProgramNotFound(name, "is a directory", code: 126)
            case .forbidden, .notExecutable: throw ProgramNotFound(name, "permission denied", code: 126)
            }
        }
        for directory in (value(of: "PATH", in: environment) ?? fallback).split(
            separator: ":", omittingEmptySubsequences: false)
        {
            let path = (directory.isEmpty ? "." : String(directory)) + "/" + name
            if look(path) == .executable { return path }
        }
        throw ProgramNotFound(name, "executable file not found in $PATH", code: 127)
    }
}

/// A program that cannot be started: Docker's words and exit code.
public struct ProgramNotFound: Error, Hashable, CustomStringConvertible {
    public let description: String
    public let code: Int32

    init(_ name: String, _ reason: String, code: Int32) {
        description = "exec: \"\(name)\": \(reason)"
        self.code = code
    }
}
