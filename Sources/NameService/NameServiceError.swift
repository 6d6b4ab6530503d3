import LinuxSystem

/// Why martlet-net did not take what it was sent.
public enum NameServiceError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A system call failed.
    case system(SystemError)
    /// The other side closed the connection, or said something else than it should.
    case connection(String)
    /// No answer within the time allowed.
    case timeout(String)
    /// martlet-net refused a request, and why.
    case refused(String)

    public var description: String {
        switch self {
        case .system(let error): error.description
        case .connection(let reason): "martlet-net: \(reason)"
        case .timeout(let what): "martlet-net: no answer to \(what) in time"
        case .refused(let reason): "martlet-net refused: \(reason)"
        }
    }
}
