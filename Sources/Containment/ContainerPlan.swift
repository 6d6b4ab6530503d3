import Cgroups
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

/// All that making a container takes (runtime.md: Create), with every path of the host absolute.
public struct ContainerPlan {
    public var id: String
    /// Checked already (`RuntimeConfiguration.validate`). `root` says where the root really is.
    public var configuration: RuntimeConfiguration
    public var root: RootFilesystem
    public var process: ProcessPlan
    public var group: ControlGroup
    /// The directory of the bundle, as hooks are told; empty where there is none.
    public var bundle = ""
    /// Where the root may be mounted, in the container's mount namespace alone: a directory of the host.
    public var scratch: String
    public var usesPivotRoot = true
    /// Whether the runtime may do what needs privileges on the host; otherwise all that can be is done in the
    /// container's user namespace.
    public var isPrivileged = true

    /// Moves the first process into the group, where it may not go itself; called while it still is the user's own.
    public var moves: ((pid_t) throws -> Void)?

    /// Whether nodes of the host's /dev stand for those that the runtime may not make, itself being in a user
    /// namespace.
    public var bindsDevices = false

    public init(
        id: String, configuration: RuntimeConfiguration, root: RootFilesystem, process: ProcessPlan,
        group: ControlGroup, scratch: String
    ) {
        self.id = id
        self.configuration = configuration
        self.root = root
        self.process = process
        self.group = group
        self.scratch = scratch
    }

    var linux: LinuxConfiguration { configuration.linux ?? LinuxConfiguration() }
    var hooks: RuntimeConfiguration.Hooks { configuration.hooks ?? RuntimeConfiguration.Hooks() }

    /// What hooks and listeners are told of the container.
    public func state(_ status: ContainerState.Status, pid: Int32?) -> ContainerState {
        ContainerState(id: id, status: status, pid: pid, bundle: bundle, annotations: configuration.annotations)
    }
}

/// What a process of a container becomes: its first one, or another.
public struct ProcessPlan {
    public var configuration: ProcessConfiguration
    /// Whom it becomes by names of the container's own files; nil takes the configuration's numbers.
    public var names: UserIdentity?
    /// Whether a small process of ours stays as number 1 and the program becomes its child.
    public var hasReaper = false
    /// So many descriptors from 3 on stay open in the program.
    public var preservedDescriptors = 0
    public var makesKeyring = true
    /// Whether it ends with the process that made it.
    public var endsWithMaker = false
    public var personality: LinuxConfiguration.Personality?

    public init(_ configuration: ProcessConfiguration) { self.configuration = configuration }

    /// For a process in another user namespace, whose files in /proc are not its own (proc(5)).
    func setScore(of pid: pid_t) throws {
        guard let score = configuration.oomScoreAdj else { return }
        do {
            try Files.set("/proc/\(pid)/oom_score_adj", "\(score)")
        } catch {
            throw SetupError("write /proc/self/oom_score_adj: \(describe(error.errno))")
        }
    }
}
