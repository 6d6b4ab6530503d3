import CLinux
import Cgroups
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import Seccomp

/// The container's first process between being cloned and exec: it makes its own view of the machine, reports, waits to
/// be started and becomes the program. Its address space is its own (clone3 without CLONE_VM).
struct ContainerInit: ~Copyable {
    let plan: ContainerPlan
    let namespaces: NamespacePlan
    let streams: StandardStreams?
    var sync: SyncChannel
    let start: ContainerLauncher.Start
    let handover: Handover
    var sources: MountSources
    let proc: HostProc
    /// Its number in the runtime's PID namespace, once it is told.
    private var pid: pid_t = 0

    init(
        plan: ContainerPlan, namespaces: NamespacePlan, streams: StandardStreams?, sync: consuming SyncChannel,
        start: ContainerLauncher.Start, sources: MountSources, proc: consuming HostProc, isNetworkGiven: Bool
    ) {
        self.plan = plan
        self.namespaces = namespaces
        self.streams = streams
        handover = Handover(sync.descriptor.rawValue, plan, namespaces, isNetworkGiven: isNetworkGiven)
        self.sync = sync
        self.start = start
        self.sources = sources
        self.proc = proc
    }

    consuming func run() -> Never {
        do {
            try setUp()
        } catch {
            try? sync.send(.failure(SetupError(error)))
        }
        _exit(1)
    }

    private mutating func setUp() throws {
        try enterNamespaces()
        setsid()
        try FaultPoint.names.reached()
        if plan.process.makesKeyring { try ProcessSetup.beginKeyring("_ses." + plan.id) }
        try setNames()
        umask(0)
        try FaultPoint.sources.reached()
        try sources.takeRest(plan, namespaces)
        let root = try mountRoot()
        let place = try MountTree.reopen(root.descriptor.rawValue)
        try FaultPoint.mounts.reached()
        try ContainerMounts(
            plan: plan, namespaces: namespaces, root: root, sources: sources, handover: handover, proc: proc
        ).mountAll()
        // The rest is the container's own work.
        try handover.enterGroup()
        try runHooksOfCreation(in: place.rawValue)
        if plan.root.isReadOnly { try MountTree.change(place.rawValue, set: Int(CL_ATTR_RDONLY)) }
        try FaultPoint.pivot.reached()
        try changeRoot(to: place.rawValue)
        try setRootPropagation()
        _ = consume place
        let terminal = try openStreams()
        try ContainerMounts.closeDevices(plan)
        if case .whenTold = start { try waitForWord(terminal) } else { try waitPrepared(terminal) }
    }

    /// The engine starts what it creates: what is wrong with the process is told at its start.
    private mutating func waitForWord(_ terminal: Int32?) throws {
        try sync.send(.ready(terminal: terminal))
        guard case .proceed(let pid, let filter) = try sync.receive() else { _exit(1) }
        var setup = ProcessSetup(plan.process, hasUserNamespace: namespaces.hasUser)
        let program = try setup.prepare(proc, keeping: [sync.descriptor.rawValue])
        throw try setup.execute(program, filter, sync) { try runStartHooks(pid) }
    }

    /// What is wrong with the process is told when it is created.
    private mutating func waitPrepared(_ terminal: Int32?) throws {
        try FaultPoint.process.reached()
        var setup = ProcessSetup(plan.process, hasUserNamespace: namespaces.hasUser)
        var kept = [sync.descriptor.rawValue]
        if let terminal { kept.append(terminal) }
        if case .atGate(let gate) = start { kept.append(gate) }
        let program = try setup.prepare(proc, keeping: kept)
        try FaultPoint.ready.reached()
        try sync.send(.ready(terminal: terminal))
        if let terminal { close(terminal) }
        guard case .proceed(let pid, let filter) = try sync.receive() else { _exit(1) }
        if case .atGate(let gate) = start {
            // It may be long until somebody comes, and processes of the container may see what is open here.
            setup.closeDescriptors(but: [gate, sync.descriptor.rawValue])
            // Who connects may be killed before its word: then somebody else may come.
            repeat {
                sync = SyncChannel(owning: try checked("accept", on: "start", cl_accept(gate)))
            } while (try? sync.awaitAnswer()) == nil
            // Without the gate's own copy here nobody could start it a second time.
            close(gate)
        }
        // Who drives the runtime takes a container that was started for one that runs, and looks for its end.
        let failure = try setup.execute(program, filter, sync) { try runStartHooks(pid) }
        try? Bytes.writeAll(2, Array((failure.reason + "\n").utf8))
        _exit(failure.code)
    }

    // MARK: Namespaces

    private mutating func enterNamespaces() throws {
        if namespaces.needsStage {
            // Whatever is said before the runtime knows this process would be taken for the stage's.
            guard case .go = try sync.receive() else { _exit(1) }
        } else {
            if namespaces.hasNewUser {
                try sync.send(.needsMappings)
                guard case .go = try sync.receive() else { _exit(1) }
            }
            for join in namespaces.joins { try Self.join(join) }
        }
        try ProcessSetup.hide(endsWithMaker: plan.process.endsWithMaker)
        if namespaces.hasUser {
            try Self.becomeRoot()
            try ProcessSetup.becomeOpaque()
        }
    }

    static func join(_ join: NamespacePlan.Join) throws {
        let member = "linux.namespaces (\(join.type.rawValue))"
        do {
            let namespace = try Descriptor.open(join.path, O_RDONLY)
            try checked("setns", on: join.path, cl_setns(namespace.rawValue, Int32(NamespacePlan.bit(join.type))))
        } catch {
            throw SetupError("\(member): cannot join \(join.path): \(describe(error.errno))")
        }
    }

    /// Number 0 of a user namespace, where it has one.
    static func becomeRoot() throws {
        for result in [cl_setresgid(0), cl_setresuid(0)] where result < 0 && result != -EINVAL {
            try checked("setuid", on: "0 of the user namespace", result)
        }
    }

    private func setNames() throws {
        guard namespaces.isSeparate(.uts) else { return }
        if let name = plan.configuration.hostname, !name.isEmpty {
            try checked("sethostname", on: name, cl_sethostname(name, name.utf8.count))
        }
        if let domain = plan.configuration.domainname, !domain.isEmpty {
            try checked("setdomainname", on: domain, cl_setdomainname(domain, domain.utf8.count))
        }
    }

    // MARK: Root

    /// Where the root is mounted before it becomes the root: a directory at its own path, at which hooks look for it,
    /// unless a user namespace keeps this process from it.
    private var place: String {
        guard case .directory(let path, _) = plan.root, access(path, X_OK) == 0 else { return plan.scratch }
        return path
    }

    private func mountRoot() throws -> RootTree {
        try FaultPoint.root.reached()
        let wanted = plan.linux.rootfsPropagation ?? ""
        let isShared = wanted.hasSuffix("shared")
        let place = place
        // What is mounted here stays here; what the host mounts later comes in, unless the root is to be private.
        // Where the mounts are the host's own they stay as they are.
        if namespaces.isSeparate(.mount) {
            if isShared {
                try MountTree.makePrivate(around: place)
            } else {
                try Mounts.setPropagation("/", UInt(CL_MS_REC) | UInt(CL_MS_SLAVE))
            }
        }
        return try RootMount.make(
            plan.root, tree: sources.root, scratch: place,
            propagation: Int(wanted.hasSuffix("slave") ? CL_MS_SLAVE : CL_MS_PRIVATE))
    }

    private func setRootPropagation() throws {
        guard namespaces.isSeparate(.mount), let wanted = plan.linux.rootfsPropagation, !wanted.isEmpty else { return }
        let words = MountWords([wanted])
        guard let propagation = words.propagation else { return }
        try MountTree.change(
            AT_FDCWD, path: "/", propagation: ContainerMounts.bits(propagation),
            recursive: words.isPropagationRecursive)
    }

    /// pivot_root(2): the old root comes to lie over the new one and is taken away.
    private func changeRoot(to root: Int32) throws {
        try syscall("fchdir", on: "rootfs") { fchdir(root) }
        if !namespaces.isSeparate(.mount) {
            try syscall("chroot", on: "rootfs") { chroot(".") }
        } else if plan.usesPivotRoot {
            let old = try Descriptor.open("/", pathOnly | O_DIRECTORY)
            try checked("pivot_root", cl_pivot_root(".", "."))
            try syscall("fchdir", on: "old root") { fchdir(old.rawValue) }
            // What is taken away here is not taken away on the host.
            try Mounts.setPropagation(".", UInt(CL_MS_REC) | UInt(CL_MS_SLAVE))
            try Mounts.detach(".")
        } else {
            try KernelViews.cover(except: place)
            try Mounts.mount(".", on: "/", flags: UInt(CL_MS_MOVE))
            try syscall("chroot", on: "rootfs") { chroot(".") }
        }
        try syscall("chdir", on: "/") { chdir("/") }
    }

    // MARK: Hooks and streams

    /// Hooks of the container find its root as their working directory, as with runc.
    private mutating func runHooksOfCreation(in root: Int32) throws {
        let hooks = plan.hooks
        let ofRuntime = (hooks.prestart ?? []) + (hooks.createRuntime ?? [])
        guard !ofRuntime.isEmpty || hooks.createContainer?.isEmpty == false else { return }
        try sync.send(.mounted)
        guard case .go(let pid) = try sync.receive() else { _exit(1) }
        try FaultPoint.containerHooks.reached()
        try syscall("fchdir", on: "rootfs") { fchdir(root) }
        try HookRunner.run(hooks.createContainer, "createContainer", plan.state(.creating, pid: pid))
    }

    private func runStartHooks(_ pid: pid_t) throws {
        try HookRunner.run(plan.hooks.startContainer, "startContainer", plan.state(.created, pid: pid))
    }

    private func openStreams() throws -> Int32? {
        try FaultPoint.terminal.reached()
        guard plan.process.configuration.terminal == true else {
            try streams?.install()
            return nil
        }
        let size = plan.process.configuration.consoleSize
        return try StandardStreams.installTerminal(
            rows: size?.height ?? 0, columns: size?.width ?? 0, console: true
        ).release()
    }
}
