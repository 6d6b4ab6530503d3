import CLinux
import RuntimeSpec

/// How a container's namespaces come to be (namespaces(7)): which are joined, which come with its first process, and
/// whether a process in between is needed.
public struct NamespacePlan: Hashable, Sendable {
    public struct Join: Hashable, Sendable {
        public var type: LinuxConfiguration.NamespaceType
        public var path: String
    }

    /// Namespaces of others, in the order of joining: a user namespace first, which may give the right to join the
    /// others, a mount namespace last, since paths are others after it.
    public private(set) var joins: [Join] = []
    /// Namespaces that come with the first process: new ones, without those of networks, time and control groups.
    public private(set) var flags: UInt64 = 0
    public private(set) var hasNewNetwork = false
    public private(set) var hasNewUser = false
    public private(set) var hasNewTime = false
    public private(set) var hasNewGroups = false

    private static let order: [LinuxConfiguration.NamespaceType] = [
        .user, .network, .ipc, .uts, .cgroup, .pid, .time, .mount,
    ]
    /// A kind as clone(2) and setns(2) have it.
    static func bit(_ type: LinuxConfiguration.NamespaceType) -> UInt64 {
        switch type {
        case .user: UInt64(CL_CLONE_NEWUSER)
        case .network: UInt64(CL_CLONE_NEWNET)
        case .ipc: UInt64(CL_CLONE_NEWIPC)
        case .uts: UInt64(CL_CLONE_NEWUTS)
        case .cgroup: UInt64(CL_CLONE_NEWCGROUP)
        case .pid: UInt64(CL_CLONE_NEWPID)
        case .time: UInt64(CL_CLONE_NEWTIME)
        case .mount: UInt64(CL_CLONE_NEWNS)
        }
    }

    public init(_ linux: LinuxConfiguration) {
        for type in Self.order {
            switch linux.choice(type) {
            case .host: break
            case .path(let path): joins.append(Join(type: type, path: path))
            case .new:
                switch type {
                case .time: hasNewTime = true
                case .cgroup: hasNewGroups = true
                case .network: hasNewNetwork = true
                case .user:
                    hasNewUser = true
                    flags |= Self.bit(.user)
                default: flags |= Self.bit(type)
                }
            }
        }
    }

    /// A PID and a time namespace hold for children only, and what is new beside another user namespace has to be made
    /// in it: then a process goes first that joins, and clones the container's first one as its own brother.
    public var needsStage: Bool {
        hasNewTime || hasNewUser && !joins.isEmpty
            || joins.contains { [.user, .pid, .time].contains($0.type) }
    }

    /// Whether the container's user namespace is not the runtime's.
    public var hasUser: Bool { hasNewUser || joins.contains { $0.type == .user } }

    /// Whether the kind is the container's own or another's, not the runtime's.
    public func isSeparate(_ type: LinuxConfiguration.NamespaceType) -> Bool {
        switch type {
        case .time: hasNewTime || joins.contains { $0.type == type }
        case .cgroup: hasNewGroups || joins.contains { $0.type == type }
        case .network: hasNewNetwork || joins.contains { $0.type == type }
        default: flags & Self.bit(type) != 0 || joins.contains { $0.type == type }
        }
    }
}
