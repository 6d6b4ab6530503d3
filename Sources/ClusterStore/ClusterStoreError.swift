/// Why the cluster's state could not be kept.
public enum ClusterStoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// An entry of the log that this version does not understand: it must not go on.
    case unknownCommand(index: UInt64, reason: String)
    /// A file is not what it should be.
    case corrupted(path: String, reason: String)
    case storage(String)

    public var description: String {
        switch self {
        case .unknownCommand(let index, let reason):
            "entry \(index) of the cluster's log is not understood by this version: \(reason)"
        case .corrupted(let path, let reason): "\(path) is damaged: \(reason)"
        case .storage(let reason): "the cluster's state cannot be stored: \(reason)"
        }
    }
}
