import Glibc

/// What went wrong in a conversation with the kernel: what was attempted, on what, and why.
public struct NetlinkError: Error, Hashable, CustomStringConvertible {
    public let operation: String
    /// The kernel's error number (errno(3)); EBADMSG for an answer that cannot be understood.
    public let errno: Int32
    /// The kernel's own words where it gives any (NLMSGERR_ATTR_MSG).
    public let detail: String

    public init(_ operation: String, errno: Int32, detail: String = "") {
        self.operation = operation
        self.errno = errno
        self.detail = detail
    }

    public var description: String {
        let reason = String(cString: strerror(errno))
        return detail.isEmpty ? "\(operation): \(reason)" : "\(operation): \(reason) (\(detail))"
    }

    /// An answer of the kernel that ends too early or carries impossible lengths.
    static func malformed(_ what: String) -> NetlinkError { NetlinkError(what, errno: EBADMSG) }
}
