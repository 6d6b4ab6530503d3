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
    /// A pidfd of the container's first process.
    private let container: Int32
    private let containerPid: pid_t
    private let streams: StandardStreams?

    /// - Parameter streams: pipes for it; nil hands the runtime's own 0, 1 and 2 on.
    public init(
        _ plan: ProcessPlan, group: ControlGroup, container: Int32, containerPid: pid_t,
        streams: StandardStreams? = nil
    ) {
        self.plan = plan
        self.group = group
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
            guard stat("/proc/\(pid)/ns/" + entry.0, &other) == 0 else { throw SetupError("the container has ended") }
            return own.st_ino == other.st_ino ? bits : bits | NamespacePlan.bits[entry.1]!
        }
    }

    /// What was read of the first process by its number was its own.
    private func requireAlive() throws {
        var entry = pollfd(fd: container, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 0) == 0 else { throw SetupError("the container has ended") }
    }

    /// - Parameter filter: of its system calls.
    public func launch(_ filter: SeccompFilter?) throws -> Launched {
        let unified = try group.unifiedPath.map { try Descriptor.open($0, O_RDONLY | O_DIRECTORY).release() } ?? -1
        defer { if unified >= 0 { close(unified) } }
        let entrances = try GroupEntrances(group, exceptUnified: unified >= 0)
        defer { entrances.close() }
        let proc = try HostProc()
        // Joining a mount namespace takes its root; within one the root is the container's all the same.
        let root = try Descriptor.open("/proc/\(containerPid)/root", pathOnly | O_DIRECTORY)
        let spaces = try Self.namespaces(of: containerPid)
        try requireAlive()
        let forChildren = spaces & (UInt64(CL_CLONE_NEWPID) | UInt64(CL_CLONE_NEWTIME))
        if forChildren != 0 {
            // Joined by the runtime, since they hold for children.
            try checked("setns", on: "container", cl_setns(container, Int32(forChildren)))
        }
        // Processes of the container see the new one from its beginning.
        try ProcessSetup.becomeOpaque()
        let waits =
            spaces & UInt64(CL_CLONE_NEWUSER) != 0 && geteuid() == 0 && plan.configuration.oomScoreAdj != nil
        let (own, other) = try SyncChannel.pair()
        let pid: pid_t
        do {
            defer { close(other) }
            pid = try checked("clone", cl_clone_process(0, unified, nil))
            if pid == 0 {
                close(own)
                ExecInit(
                    plan: plan, namespaces: spaces & ~forChildren, container: container, entrances: entrances,
                    streams: streams, filter: filter, sync: SyncChannel(owning: other), proc: proc,
                    root: spaces & UInt64(CL_CLONE_NEWNS) == 0 ? root.rawValue : nil, waits: waits
                ).run()
            }
        } catch {
            close(own)
            throw error
        }
        if waits {
            do {
                try plan.setScore(of: pid)
                try SyncChannel(sharing: own).send(.go(pid: pid))
            } catch {
                kill(pid, SIGKILL)
                _ = try? ChildProcess.wait(pid)
                close(own)
                throw error
            }
        }
        return Launched(pid: pid, sync: own)
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
    /// The container's root, where it shares the runtime's mount namespace.
    let root: Int32?
    /// Whether the runtime sets its score first.
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
        let hasUser = namespaces & UInt64(CL_CLONE_NEWUSER) != 0
        if hasUser {
            try ContainerInit.becomeRoot()
            try ProcessSetup.becomeOpaque()
        }
        setsid()
        if plan.makesKeyring { _ = cl_new_session_keyring(nil) }
        if plan.configuration.terminal == true {
            let size = plan.configuration.consoleSize
            let master = try StandardStreams.installTerminal(
                rows: size?.height ?? 0, columns: size?.width ?? 0, console: false)
            try sync.send(.ready(terminal: master.rawValue))
        } else {
            try streams?.install()
        }
        var setup = ProcessSetup(plan, hasUserNamespace: hasUser)
        let program = try setup.prepare(proc)
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
