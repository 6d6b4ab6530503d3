import LinuxSystem

/// A member of `linux.resources` that cannot be had: the machine has no such controller, the hierarchy no such limit,
/// or the kernel refused the value.
public struct ResourceError: Error, Hashable, CustomStringConvertible {
    /// The member's path in the configuration: `linux.resources.memory.limit`.
    public let member: String
    public let reason: String
    /// EINVAL for a value that cannot be, ENOTSUP for what is not there, otherwise the kernel's own.
    public let errno: Int32
    /// The call that the kernel refused.
    public let cause: SystemError?

    /// - Parameter member: without `linux.resources.`.
    init(_ member: String, _ reason: String, errno: Int32, cause: SystemError? = nil) {
        self.member = "linux.resources." + member
        self.reason = reason
        self.errno = errno
        self.cause = cause
    }

    public var description: String { "\(member): \(reason)" }
}
