import ClusterModel
import JSON
import SQLite

/// Why the cluster's state could not be kept.
public enum ClusterStoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// An entry of the log that this version does not understand: it must not go on. `needs` is the version that the
    /// entry names, where it does.
    case unknownCommand(index: UInt64, needs: ClusterVersion?, supported: SupportedVersions, reason: String)
    /// A state of a cluster that this program cannot be a manager of.
    case unsupportedVersion(ClusterVersion, supported: SupportedVersions)
    /// A file in a form that this version does not know; the text says which.
    case newerFile(String)
    /// A file is not what it should be.
    case corrupted(path: String, reason: String)
    case storage(String)

    public var description: String {
        switch self {
        case .unknownCommand(let index, let needs, let supported, let reason):
            """
            entry \(index) of the cluster's log is not understood by this version of martletd: \(reason) (it \
            \(needs.map { "needs cluster version \($0)" } ?? "names no cluster version"); this martletd supports \
            \(supported)). Neither it nor what follows was applied, and nothing is lost: install the version of \
            martletd that the other managers run, and start it
            """
        case .unsupportedVersion(let version, let supported):
            """
            the cluster has version \(version), and this martletd supports \(supported). Nothing was changed: install \
            \(version > supported.highest
                ? "the version of martletd that the cluster's managers run, or a newer one"
                : "a version of martletd between the one that ran here and this one first")
            """
        case .newerFile(let reason): reason
        case .corrupted(let path, let reason): "\(path) is damaged: \(reason)"
        case .storage(let reason): "the cluster's state cannot be stored: \(reason)"
        }
    }
}

extension ClusterStoreError {
    /// What an error of the file at `path` means.
    init(_ error: any Error, path: String) {
        switch error {
        case let error as ClusterStoreError: self = error
        case let error as SchemaError: self = .newerFile(error.description)
        case let error as JSONError: self = .corrupted(path: path, reason: error.description)
        default: self = .storage("\(error)")
        }
    }
}
