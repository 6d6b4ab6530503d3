import CLinux
import Cgroups
import Glibc
import LinuxSystem
import RuntimeSpec
import Seccomp

/// Starts a process in a container that runs.
public struct ExecLauncher {
    /// What came of it: the process waits for nothing more, its channel closes with exec.
    public struct Launched {
        public var pid: pid_t
        /// The runtime's end of the channel to it.
        public var sync: Int32
    }

    private let plan: ProcessPlan
    private let group: ControlGroup
    private let isGroupGiven: Bool
    /// A pidfd of the container's first process.
    private let container: Int32
    private let containerPid: pid_t
    private let streams: StandardStreams?

    /// - Parameters:
    ///   - isGroupGiven: whether it has to be in `group`; otherwise it goes to where the first process is where that
    ///     group takes none.
    ///   - streams: pipes for it; nil hands the runtime's own 0, 1 and 2 on.
    public init(
        _ plan: ProcessPlan, group: ControlGroup, isGroupGiven: Bool = false, container: Int32, containerPid: pid_t,
        streams: StandardStreams? = nil
    ) {
        self.plan = plan
        self.group = group
        self.isGroupGiven = isGroupGiven
        self.container = container
        self.containerPid = containerPid
        self.streams = streams
    }

    /// Namespaces of the container that are not the runtime's, as bits for setns(2).
    ///
    /// - Throws: where the process has ended, of which the kernel tells only a part.
    public static func namespaces(of pid: pid_t) throws -> UInt64 {
        let names: [(String, LinuxConfiguration.NamespaceType)] = [
            ("user", .user), ("net", .network), ("ipc", .ipc), ("uts", .uts), ("cgroup", .cgroup), ("pid", .pid),
            ("time", .time), ("mnt", .mount),
        ]
        return try names.reduce(0) { bits, entry in
            var own = stat()
            var other = stat()
            // A kernel without a kind of namespace has it for nobody.
            guard stat("/proc/self/ns/" + entry.0, &own) == 0 else { return bits }
            guard stat("/proc/\(pid)/ns/" + entry.0, &other) == 0 else {
                if errno == ENOENT { throw SetupError("the container has ended") }
                throw SetupError("the container's namespaces cannot be seen: \(describe(errno))")
            }
            return own.st_ino == other.st_ino ? bits : bits | NamespacePlan.bit(entry.1)
        }
    }

    /// What was read of the first process by its number was its own.
    private func requireAlive() throws {
        var entry = pollfd(fd: container, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 0) == 0 else { throw SetupError("the container has ended") }
    }

    /// The group that it enters. A container that makes groups of its own leaves the one that it was given: in v2 one
    /// that hands controllers on takes no processes (cgroups(7): "no internal processes").
    private func enteredGroup() throws -> ControlGroup {
        guard !isGroupGiven, let index = group.directories.firstIndex(where: \.isUnified) else { return group }
        let control = try? Files.text(group.directories[index].path + "/cgroup.subtree_control")
        if let control, control.allSatisfy(\.isWhitespace) { return group }
        let present = try ControlGroups(
            mounts: Files.text("/proc/self/mountinfo"), groups: Files.text("/proc/\(containerPid)/cgroup")
        ).unified
        guard let present, !present.ownPath.split(separator: "/").contains("..") else { return group }
        var directories = group.directories
        directories[index].base = present.mountPoint
        directories[index].name = String(present.ownPath.dropFirst())
        return ControlGroup(directories: directories)
    }

    /// - Parameters:
    ///   - filter: of its system calls.
    ///   - moves: moves a process into a group of the container, where this one may not; it is called for an ordinary
    ///     user's container alone.
    public func launch(
        _ filter: SeccompFilter?, moves: ((pid_t, ControlGroup) throws -> Void)? = nil
    ) throws -> Launched {
        let spaces = try Self.namespaces(of: containerPid)
        let group = try enteredGroup()
        // Without rights in the container's user namespace nothing else of it can be joined.
        let isStaged = geteuid() != 0 && spaces & UInt64(CL_CLONE_NEWUSER) != 0
        let unified =
            try group.unifiedPath.flatMap {
                isStaged ? nil : try Descriptor.open($0, O_RDONLY | O_DIRECTORY).release()
            } ?? -1
        defer { if unified >= 0 { close(unified) } }
        let moves = isStaged ? moves.map { moves in { pid in try moves(pid, group) } } : nil
        let entrances = try GroupEntrances(
            moves == nil ? group : ControlGroup(directories: []), exceptUnified: unified >= 0)
        defer { entrances.close() }
        let proc = try HostProc()
        // Joining a mount namespace takes its root; within one the root is the container's all the same.
        let root = try Descriptor.open("/proc/\(containerPid)/root", pathOnly | O_DIRECTORY)
        try requireAlive()
        let (own, other) = try SyncChannel.pair()
        do {
            let entry = Entry(
                spaces: spaces, unified: unified, entrances: entrances, filter: filter, own: own, other: other,
                root: spaces & UInt64(CL_CLONE_NEWNS) == 0 ? root.rawValue : nil)
            let pid: pid_t
            do {
                defer { close(other) }
                pid = try isStaged ? cloneStage(entry, proc) : cloneDirectly(entry, proc)
            }
            return Launched(pid: try isStaged ? follow(pid, own, moves) : release(pid, own, spaces), sync: own)
        } catch {
            close(own)
            throw error
        }
    }

    /// What a process takes with it into the container.
    private struct Entry {
        var spaces: UInt64
        var unified: Int32
        var entrances: GroupEntrances
        var filter: SeccompFilter?
        /// The runtime's end of the channel, and the process's.
        var own: Int32
        var other: Int32
        /// The container's root, where it shares the runtime's mount namespace.
        var root: Int32?
    }

    private func cloneInit(
        _ flags: UInt64, _ entry: Entry, joined: UInt64, waits: Bool, _ proc: borrowing HostProc
    ) throws -> pid_t {
        let proc = try HostProc(sharing: proc)
        let pid = try checked("clone", cl_clone_process(flags, entry.unified, nil))
        guard pid == 0 else { return pid }
        if flags == 0 { close(entry.own) }
        ExecInit(
            plan: plan, namespaces: entry.spaces & ~joined, container: container, entrances: entry.entrances,
            streams: streams, filter: entry.filter, sync: SyncChannel(owning: entry.other), proc: proc,
            root: entry.root, hasUser: entry.spaces & UInt64(CL_CLONE_NEWUSER) != 0, waits: waits
        ).run()
    }

    // MARK: With the runtime's own rights

    private static let forChildren = UInt64(CL_CLONE_NEWPID) | UInt64(CL_CLONE_NEWTIME)

    private func cloneDirectly(_ entry: Entry, _ proc: borrowing HostProc) throws -> pid_t {
        let joined = entry.spaces & Self.forChildren
        if joined != 0 {
            // Joined by the runtime, since they hold for children.
            try checked("setns", on: "container", cl_setns(container, Int32(joined)))
        }
        // Processes of the container see the new one from its beginning.
        try ProcessSetup.becomeOpaque()
        return try cloneInit(0, entry, joined: joined, waits: setsScoreAndLimits(entry.spaces), proc)
    }

    /// Whether score and limits of the process take rights that it has not in its user namespace.
    private func setsScoreAndLimits(_ spaces: UInt64) -> Bool {
        spaces & UInt64(CL_CLONE_NEWUSER) != 0 && geteuid() == 0
            && (plan.configuration.oomScoreAdj != nil || plan.configuration.rlimits?.isEmpty == false)
    }

    /// Sets what the process waits for.
    private func release(_ pid: pid_t, _ own: Int32, _ spaces: UInt64) throws -> pid_t {
        guard setsScoreAndLimits(spaces) else { return pid }
        do {
            try plan.setScore(of: pid)
            try plan.raiseLimits(of: pid)
            try SyncChannel(sharing: own).send(.go(pid: pid))
            return pid
        } catch {
            kill(pid, SIGKILL)
            _ = try? ChildProcess.wait(pid)
            throw error
        }
    }

    // MARK: As an ordinary user

    /// A stage joins the user namespace, which gives it the right to join those that hold for children, clones the
    /// process as its brother and ends.
    private func cloneStage(_ entry: Entry, _ proc: borrowing HostProc) throws -> pid_t {
        let stage = try checked("clone", cl_clone_process(0, -1, nil))
        guard stage == 0 else { return stage }
        close(entry.own)
        do {
            let channel = try SyncChannel(sharing: entry.other)
            guard case .go = try channel.receive() else { _exit(1) }
            // In the user namespace its files in /proc are not its own.
            try plan.setScore(of: getpid())
            try ProcessSetup.hide(endsWithMaker: true)
            let joined = entry.spaces & (Self.forChildren | UInt64(CL_CLONE_NEWUSER))
            try checked("setns", on: "container", cl_setns(container, Int32(joined)))
            try ContainerInit.becomeRoot()
            try ProcessSetup.becomeOpaque()
            try channel.send(
                .cloned(cloneInit(UInt64(CL_CLONE_PARENT), entry, joined: joined, waits: true, proc)))
        } catch {
            if let channel = try? SyncChannel(sharing: entry.other) { try? channel.send(.failure(SetupError(error))) }
        }
        _exit(0)
    }

    /// - Returns: the process that the stage has cloned.
    private func follow(_ stage: pid_t, _ own: Int32, _ moves: ((pid_t) throws -> Void)?) throws -> pid_t {
        var children = [stage]
        do {
            let channel = try SyncChannel(sharing: own)
            try moves?(stage)
            try channel.send(.go(pid: stage))
            switch try channel.receive() {
            case .cloned(let pid):
                _ = try ChildProcess.wait(stage)
                children = [pid]
                try channel.send(.go(pid: pid))
                return pid
            case .failure(let error): throw error
            default: throw SetupError("the process that enters the container has ended")
            }
        } catch {
            for child in children {
                kill(child, SIGKILL)
                _ = try? ChildProcess.wait(child)
            }
            throw error
        }
    }
}

/// A process of `exec` between being cloned and exec: it enters the container's namespaces.
struct ExecInit: ~Copyable {
    let plan: ProcessPlan
    let namespaces: UInt64
    let container: Int32
    let entrances: GroupEntrances
    let streams: StandardStreams?
    let filter: SeccompFilter?
    let sync: SyncChannel
    let proc: HostProc
    let root: Int32?
    /// Whether the container has another user namespace than the runtime; it may have been joined already.
    let hasUser: Bool
    /// Whether the runtime has something to do first.
    let waits: Bool

    consuming func run() -> Never {
        do {
            try setUp()
        } catch {
            try? sync.send(.failure(SetupError(error)))
        }
        _exit(1)
    }

    private func setUp() throws {
        try setAffinity(plan.configuration.execCPUAffinity?.initial, "initial")
        try ProcessSetup.hide(endsWithMaker: plan.endsWithMaker)
        if waits { guard case .go = try sync.receive() else { _exit(1) } }
        try entrances.enter()
        try setAffinity(plan.configuration.execCPUAffinity?.final, "final")
        if namespaces != 0 { try checked("setns", on: "container", cl_setns(container, Int32(namespaces))) }
        if let root {
            try syscall("fchdir", on: "rootfs") { fchdir(root) }
            try syscall("chroot", on: "rootfs") { chroot(".") }
        }
        if hasUser {
            try ContainerInit.becomeRoot()
            try ProcessSetup.becomeOpaque()
        }
        setsid()
        if plan.makesKeyring { try ProcessSetup.beginKeyring(nil) }
        if plan.configuration.terminal == true {
            let size = plan.configuration.consoleSize
            let master = try StandardStreams.installTerminal(
                rows: size?.height ?? 0, columns: size?.width ?? 0, console: false)
            try sync.send(.ready(terminal: master.rawValue))
        } else {
            try streams?.install()
        }
        var setup = ProcessSetup(plan, hasUserNamespace: hasUser)
        let program = try setup.prepare(proc, keeping: [sync.descriptor.rawValue])
        throw try setup.execute(program, filter, sync)
    }

    private func setAffinity(_ list: String?, _ member: String) throws {
        guard let list, !list.isEmpty else { return }
        guard let processors = ProcessConfiguration.CPUAffinity.processors(list) else {
            throw SetupError("process.execCPUAffinity.\(member): \"\(list)\" is no list of processors")
        }
        var mask = [UInt8](repeating: 0, count: (processors.max() ?? 0) / 64 * 8 + 8)
        for processor in processors { mask[processor / 8] |= 1 << UInt8(processor % 8) }
        let result = cl_set_affinity(mask, mask.count)
        guard result >= 0 else {
            throw SetupError("process.execCPUAffinity.\(member): \"\(list)\" is refused: \(describe(-result))")
        }
    }
}
