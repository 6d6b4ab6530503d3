import ArgumentParser
import EngineClient
import Glibc
import JSON
import Lab
import LinuxSystem

/// The end of the program with a code, and with a message on standard error where there is one.
struct CommandExit: Error, Equatable {
    var code: Int32
    var message: String?
}

/// A value on the command line that cannot be understood.
struct FlagError: Error, Hashable, CustomStringConvertible {
    /// As its user writes it: `--publish`.
    let flag: String
    let value: String
    let reason: String

    init(_ flag: String, _ value: String, _ reason: String) {
        self.flag = flag
        self.value = value
        self.reason = reason
    }

    var description: String { "invalid argument \"\(value)\" for \"\(flag)\" flag: \(reason)" }
}

/// The translation of errors into messages and exit codes.
enum CommandFailure {
    /// For a command line that cannot be understood, as docker's.
    static let usageCode: Int32 = 125

    /// Prints what went wrong and ends the program: 1 for a failure, 125 for a command line that cannot be understood,
    /// the code of a program that was run.
    static func end(_ error: any Error) -> Never {
        let (code, message) = describe(error)
        fflush(nil)
        if let message { try? Bytes.writeAll(code == 0 ? 1 : 2, Array((message + "\n").utf8)) }
        exit(code)
    }

    /// The exit code and what to print.
    static func describe(_ error: any Error) -> (code: Int32, message: String?) {
        switch error {
        case let error as CommandExit: return (error.code, error.message)
        case let error as FlagError: return (usageCode, "martlet: \(error)")
        case let error as EngineClientError: return (1, text(error))
        case let error as TemplateError: return (1, "template parsing error: \(error)")
        case is LabError, is SystemError, is JSONError: return (1, "martlet: \(error)")
        case is CancellationError: return (130, "martlet: interrupted")
        default:
            let code = MartletCommand.exitCode(for: error)
            let message = MartletCommand.fullMessage(for: error)
            if code == .success { return (0, message) }
            return (code == .validationFailure ? usageCode : code.rawValue, message.isEmpty ? nil : message)
        }
    }

    /// What an engine refused, or that none answers.
    static func text(_ error: EngineClientError) -> String {
        if error.status > 0 { return "Error response from daemon: \(error.message)" }
        if error.message.hasPrefix("Cannot connect") {
            return "Cannot connect to the Martlet daemon at \(Session.address). Is the daemon running?"
        }
        return "martlet: \(error.message)"
    }
}
