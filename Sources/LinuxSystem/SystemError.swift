import Glibc

/// A system call that failed: what was attempted, on what, and the error number (errno(3)).
public struct SystemError: Error, Hashable, CustomStringConvertible {
    public let operation: String
    /// A path or another name of what was worked on; empty where there is none.
    public let object: String
    public let errno: Int32

    public init(_ operation: String, _ object: String = "", errno: Int32) {
        self.operation = operation
        self.object = object
        self.errno = errno
    }

    /// There is no room on the device, or none is left of a quota.
    public var isFull: Bool { errno == ENOSPC || errno == EDQUOT }

    public var description: String {
        let reason = String(cString: strerror(errno))
        return object.isEmpty ? "\(operation): \(reason)" : "\(operation) \(object): \(reason)"
    }
}

/// Checks the result of a `CLinux` function: zero or more, or the negative error number.
@discardableResult
@inlinable public func checked<Result: SignedInteger>(
    _ operation: String, on object: @autoclosure () -> String = "", _ result: Result
) throws(SystemError) -> Result {
    guard result >= 0 else { throw SystemError(operation, object(), errno: Int32(-result)) }
    return result
}

/// Runs a call of the C library that answers -1 and sets errno, again where a signal interrupted it.
@discardableResult
@inlinable public func syscall<Result: SignedInteger>(
    _ operation: String, on object: @autoclosure () -> String = "", _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let error = Glibc.errno
        if error != EINTR { throw SystemError(operation, object(), errno: error) }
    }
}
