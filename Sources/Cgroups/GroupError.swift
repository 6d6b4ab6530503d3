import LinuxSystem

/// Why a container's group cannot be had.
public enum GroupError: Error, Hashable, CustomStringConvertible {
    /// `linux.cgroupsPath` cannot be a path of a group; the reason.
    case badPath(String, reason: String)
    /// The directory exists and has processes: somebody else's group.
    case notEmpty(String, processes: Int)
    /// The directory exists and is frozen: whatever joins it would stand still.
    case frozen(String)
    /// No hierarchy is mounted, or none is left in which the group could be made.
    case noHierarchy
    case system(SystemError)

    public var description: String {
        switch self {
        case .badPath(let path, let reason): "linux.cgroupsPath \"\(path)\" \(reason)"
        case .notEmpty(let path, let count):
            "container's cgroup is not empty: \(count) process(es) found in \(path); choose another cgroupsPath"
        case .frozen(let path): "container's cgroup unexpectedly frozen: \(path); thaw or remove it"
        case .noHierarchy: "no cgroup hierarchy is mounted in which the group could be made"
        case .system(let error): "\(error)"
        }
    }
}
