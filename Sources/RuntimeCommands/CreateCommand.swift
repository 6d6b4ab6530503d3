import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import Seccomp

/// `create`: everything of a container but its program (runtime.md: Create). Each step that succeeded is undone where a
/// later one fails.
struct CreateCommand {
    private let context: RuntimeContext
    private let id: String
    private let options: CreateOptions

    init(_ context: RuntimeContext, _ id: String, _ options: CreateOptions) {
        self.context = context
        self.id = id
        // The command goes into the bundle later on.
        var options = options
        options.consoleSocket = options.consoleSocket.map(RuntimeContext.absolute)
        options.pidfdSocket = options.pidfdSocket.map(RuntimeContext.absolute)
        options.pidFile = options.pidFile.map(RuntimeContext.absolute)
        self.options = options
    }

    func create() throws { _ = try make() }

    /// - Parameter isForeground: whether the caller takes the terminal itself, where there is no socket for it.
    /// - Returns: what was made, and the master of its terminal where it was not handed on.
    func make(isForeground: Bool = false) throws -> (container: StoredContainer, terminal: Int32?) {
        let bundle = try Bundle(options.bundle)
        let hasTerminal = bundle.configuration.process?.terminal == true
        guard !hasTerminal || options.consoleSocket != nil || isForeground else {
            throw SetupError("process.terminal: cannot allocate a terminal without --console-socket")
        }
        guard hasTerminal || options.consoleSocket == nil else {
            throw SetupError("process.terminal: --console-socket is given, but no terminal is asked for")
        }
        let preserved = try InheritedDescriptors.prepare(preserved: options.preservedDescriptors)
        try FaultPoint.stateDirectory.reached()
        try context.store.claim(id)
        do {
            return try make(bundle, preserved)
        } catch {
            try? context.store.release(id)
            throw error
        }
    }

    private func make(_ bundle: Bundle, _ preserved: InheritedDescriptors) throws
        -> (container: StoredContainer, terminal: Int32?)
    {
        try FaultPoint.groups.reached()
        let linux = bundle.configuration.linux ?? LinuxConfiguration()
        var groups = try ContainerGroups(context, id: id, linux)
        var mounts: HostMounts?
        var hasBegun = false
        do {
            mounts = try HostMounts(root: bundle.root, linux)
            try context.store.save(
                CreationRecord(
                    groups: groups.group.directories, unit: groups.unit, isUserUnit: groups.isUserUnit,
                    hostMounts: mounts), id)
            // Hooks and paths of the bundle are relative to it.
            try syscall("chdir", on: bundle.path) { chdir(bundle.path) }
            let gate = try UnixSocket.listen(context.store.gate(id), backlog: 1)
            var cache = FilterCache(directory: context.store.filterCache)
            var filter: SeccompFilter?
            let launcher = try ContainerLauncher(plan(bundle, groups.group, preserved), gate: gate.rawValue)
            try groups.restrictDevices(linux.resources, context)
            var container: StoredContainer?
            let launched = try launcher.launch { pid in
                hasBegun = true
                // While the first process mounts, this one does the rest.
                try groups.limit(linux.resources, context)
                try FaultPoint.filter.reached()
                if let seccomp = linux.seccomp { filter = try cache.filter(of: seccomp, seccomp) }
                container = try note(pid, bundle, groups, mounts)
            }
            groups.endHolder()
            do {
                guard let container else { throw SetupError("the first process was not noted") }
                return (container, try finish(launched, filter))
            } catch {
                kill(launched.pid, SIGKILL)
                _ = try? ChildProcess.wait(launched.pid)
                throw error
            }
        } catch {
            try? mounts?.remove()
            groups.undo()
            if hasBegun { runLastHooks(bundle) }
            throw error
        }
    }

    private func plan(
        _ bundle: Bundle, _ group: ControlGroup, _ preserved: InheritedDescriptors
    ) throws -> ContainerPlan {
        var configuration = bundle.configuration
        try NotifySocket(context.store, id)?.prepare(&configuration)
        var process = configuration.process ?? ProcessConfiguration(args: [])
        process.env = (process.env ?? []) + preserved.variables
        configuration.process = process
        var first = ProcessPlan(process)
        first.preservedDescriptors = preserved.count
        first.makesKeyring = options.makesKeyring
        first.personality = configuration.linux?.personality
        var plan = ContainerPlan(
            id: id, configuration: configuration,
            root: .directory(path: bundle.root, isReadOnly: configuration.root?.readonly ?? false), process: first,
            group: group, scratch: context.store.directory(id))
        plan.bundle = bundle.path
        plan.usesPivotRoot = options.usesPivotRoot
        plan.isPrivileged = geteuid() == 0
        plan.bindsDevices = context.isInUserNamespace
        return plan
    }

    /// What hooks of the creation made is taken away by those of the end (runtime.md: Lifecycle).
    private func runLastHooks(_ bundle: Bundle) {
        let state = ContainerState(
            id: id, status: .stopped, pid: 0, bundle: bundle.path, annotations: bundle.configuration.annotations)
        do {
            try HookRunner.run(bundle.configuration.hooks?.poststop, "poststop", state)
        } catch {
            context.log.warning(SetupError(error).reason)
        }
    }

    /// Keeps what other commands have to know.
    private func note(
        _ pid: pid_t, _ bundle: Bundle, _ groups: ContainerGroups, _ mounts: HostMounts?
    ) throws -> StoredContainer {
        try FaultPoint.state.reached()
        var record = ContainerRecord(
            id: id, bundle: bundle, pid: pid, startTicks: StoredContainer.process(pid)?.startTicks ?? 0,
            created: Clock.now().description, owner: geteuid())
        record.groups = groups.group.directories
        record.hostMounts = mounts
        (record.unit, record.isUserUnit) = (groups.unit, groups.isUserUnit)
        try context.store.save(record, configuration: bundle.text)
        return StoredContainer(record: record, store: context.store)
    }

    /// Hands on what others wait for, and lets the first process go to its gate.
    ///
    /// - Returns: the master of its terminal where it was not handed on.
    private func finish(_ launched: ContainerLauncher.Launched, _ filter: SeccompFilter?) throws -> Int32? {
        var terminal = launched.terminal
        try FaultPoint.consoleSocket.reached()
        if let master = terminal, let path = options.consoleSocket {
            try ConsoleSocket.send(master, to: path)
            close(master)
            terminal = nil
        }
        if let path = options.pidfdSocket { try ConsoleSocket.send(launched.pidfd, to: path) }
        try FaultPoint.pidFile.reached()
        if let path = options.pidFile { try PidFile.write(launched.pid, to: path) }
        do {
            try FaultPoint.handover.reached()
            let channel = SyncChannel(owning: launched.sync)
            try channel.send(.proceed(pid: launched.pid, filter: filter))
        } catch {
            if let path = options.pidFile { unlink(path) }
            throw error
        }
        context.store.endCreation(id)
        close(launched.pidfd)
        return terminal
    }
}

/// Handing a descriptor on through a socket at a path.
enum ConsoleSocket {
    static func send(_ descriptor: Int32, to path: String) throws {
        do {
            let connection = try UnixSocket.connect(path)
            try UnixSocket.send(connection.rawValue, Array("/dev/ptmx".utf8), descriptors: [descriptor])
        } catch {
            throw SetupError("console socket \(path): \(describe(error.errno))")
        }
    }
}

enum PidFile {
    /// The number alone, in a file that is there whole or not at all.
    static func write(_ pid: pid_t, to path: String) throws(SystemError) {
        // What is there may be a link that somebody else made.
        let temporary = path + ".tmp"
        unlink(temporary)
        let file = try Descriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        do {
            try Bytes.writeAll(file.rawValue, Array("\(pid)".utf8))
            try syscall("rename", on: path) { rename(temporary, path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }
}
