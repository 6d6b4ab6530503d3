import LinuxSystem

/// What went wrong between this program and systemd: what was attempted, on what, and the cause.
public enum SystemdError: Error, Hashable, CustomStringConvertible {
    /// A `cgroupsPath` or unit name that systemd would not take.
    case invalidName(String, reason: String)
    /// A resource or an annotation that cannot be said as a unit property; the member's path in the configuration.
    case invalidProperty(String, reason: String)
    /// No bus with systemd on it: each address that was tried, with its failure.
    case unavailable(String)
    /// The bus does not accept who we are.
    case authentication(String)
    /// Bytes that are no D-Bus message, or a reply with another signature than the method's.
    case malformed(String)
    /// An error reply: its name (`org.freedesktop.systemd1.UnitExists`) and text.
    case refused(call: String, name: String, message: String)
    /// systemd carried the job out with another result than `done`: `failed`, `timeout`, `canceled`, `dependency`.
    case jobFailed(unit: String, result: String)
    /// Nothing came before the deadline.
    case timedOut(String)
    /// A system call on the bus's socket failed.
    case system(SystemError)

    public var description: String {
        switch self {
        case .invalidName(let name, let reason): "\"\(name)\": \(reason)"
        case .invalidProperty(let member, let reason): "\(member): \(reason)"
        case .unavailable(let reasons):
            "systemd cannot be reached (\(reasons)): start the message bus, or do without the systemd cgroup driver"
        case .authentication(let reason): "the message bus refuses this user: \(reason)"
        case .malformed(let what): "malformed D-Bus message: \(what)"
        case .refused(let call, let name, let message): "systemd refuses \(call): \(message) (\(name))"
        case .jobFailed(let unit, let result):
            "systemd's job for \(unit) ended as \"\(result)\": see `systemctl status \(unit)`"
        case .timedOut(let what): "systemd has not answered in time: \(what)"
        case .system(let error): error.description
        }
    }

    /// The name of a D-Bus error reply; nil for other failures.
    public var replyName: String? {
        if case .refused(_, let name, _) = self { name } else { nil }
    }
}
