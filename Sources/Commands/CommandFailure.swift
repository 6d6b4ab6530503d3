import ArgumentParser
import EngineClient
import Glibc
import JSON
import Lab
import LinuxSystem

/// The translation of errors into messages and exit codes.
enum CommandFailure {
    /// Prints what went wrong and ends the program: 1 for a failure, 64 for a command line that cannot be understood,
    /// the code of a program that was run.
    static func end(_ error: any Error) -> Never {
        switch error {
        case is LabError, is SystemError, is EngineClientError, is JSONError:
            fail("\(error)")
        case is CancellationError:
            fail("interrupted", code: 130)
        default:
            MartletCommand.exit(withError: error)
        }
    }

    private static func fail(_ message: String, code: Int32 = 1) -> Never {
        fflush(nil)
        try? Bytes.writeAll(2, Array("martlet: \(message)\n".utf8))
        exit(code)
    }
}
