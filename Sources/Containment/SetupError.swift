import Glibc
import LinuxSystem

/// Why a container or a process in it cannot be: the reason in words, and Docker's exit code for it.
public struct SetupError: Error, CustomStringConvertible {
    public let reason: String
    public let code: Int32

    public init(_ reason: String, code: Int32 = 128) {
        self.reason = reason
        self.code = code
    }

    public init(_ error: any Error) {
        if let error = error as? SetupError { self = error } else { self.init("\(error)") }
    }

    public var description: String { reason }
}

/// The error number in words, as Go's libraries write them.
public func describe(_ error: Int32) -> String { String(cString: strerror(error)).lowercased() }
