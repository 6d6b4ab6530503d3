import CLinux
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

    /// What was made.
    struct Made {
        var container: StoredContainer
        /// The master of its terminal, where it was not handed on.
        var terminal: Int32?
        /// The channel to a first process that is not at a gate; -1 otherwise.
        var sync: Int32 = -1
        fileprivate var filter: SeccompFilter?
        /// Whether the first process has been told already.
        fileprivate var isStarted = false

        /// Tells the first process, which is not at a gate, to become its program.
        ///
        /// - Returns: the channel, which says what came of it.
        func proceed() throws -> SyncChannel {
            let channel = SyncChannel(owning: sync)
            if !isStarted { try channel.send(.proceed(pid: container.record.pid, filter: filter)) }
            return channel
        }
    }

    func create() throws { _ = try make(hasGate: true) }

    /// - Parameters:
    ///   - isForeground: whether the caller takes the terminal itself, where there is no socket for it.
    ///   - hasGate: whether somebody else starts the container; otherwise the caller does.
    func make(isForeground: Bool = false, hasGate: Bool) throws -> Made {
        // What the start of the program needed, and later what has read the configuration, would count until the
        // container ends.
        cl_forget_code()
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
            return try make(bundle, preserved, hasGate: hasGate)
        } catch {
            try? context.store.release(id)
            throw error
        }
    }

    private func make(
        _ bundle: Bundle, _ preserved: InheritedDescriptors, hasGate: Bool
    ) throws -> Made {
        let network = bundle.configuration.linux.flatMap(NetworkMaker.init)
        try FaultPoint.groups.reached()
        let linux = bundle.configuration.linux ?? LinuxConfiguration()
        var groups = try ContainerGroups(context, id: id, linux, annotations: bundle.configuration.annotations)
        var record = ContainerRecord(id: id, bundle: bundle, created: Clock.now().description, owner: geteuid())
        var creation: Int32 = -1
        defer { if creation >= 0 { close(creation) } }
        var hasBegun = false
        do {
            record.hostMounts = try HostMounts(root: bundle.root, linux)
            // What comes before the first process is noted before it.
            if groups.unit != nil || groups.planned.unifiedPath != nil || record.hostMounts != nil {
                creation = try begin(&record, groups, bundle)
                try groups.make(isUnified: true)
            }
            // Hooks and paths of the bundle are relative to it.
            try syscall("chdir", on: bundle.path) { chdir(bundle.path) }
            let gate = hasGate ? try UnixSocket.listen(context.store.gate(id), backlog: 1).release() : nil
            defer { if let gate { close(gate) } }
            var made = Made(container: StoredContainer(record: record, store: context.store))
            made.isStarted = !hasGate && startsAtOnce(bundle)
            let launcher = try ContainerLauncher(
                plan(bundle, groups, preserved),
                start: gate.map { .atGate($0) } ?? (made.isStarted ? .atOnce : .prepared), network: network)
            cl_forget_code()
            let launched = try launcher.launch { pid in
                hasBegun = true
                record.pid = pid
                record.startTicks = StoredContainer.process(pid)?.startTicks ?? 0
                if creation < 0 { creation = try begin(&record, groups, bundle) }
            } makingGroup: { _ in
                try groups.make(isUnified: false)
                try groups.restrictDevices(linux.resources, context)
                return groups.group
            } whileMounting: { _ in
                try groups.limit(linux.resources)
                try FaultPoint.filter.reached()
                var cache = FilterCache(directory: context.store.filterCache)
                if let seccomp = linux.seccomp { made.filter = try cache.filter(of: seccomp, seccomp) }
                record.groups = groups.group.directories
                record.hasGroups = true
                try FaultPoint.state.reached()
                try context.store.note(record)
                return made.filter
            }
            groups.endHolder()
            made.container.record = record
            do {
                try finish(launched, &made, hasGate: hasGate)
                return made
            } catch {
                kill(launched.pid, SIGKILL)
                _ = try? ChildProcess.wait(launched.pid)
                throw error
            }
        } catch {
            try? record.hostMounts?.remove()
            groups.undo()
            if hasBegun { runLastHooks(bundle) }
            throw error
        }
    }

    /// Says that the creation goes on, and notes what `delete --force` could not tell from the configuration.
    private func begin(_ record: inout ContainerRecord, _ groups: ContainerGroups, _ bundle: Bundle) throws -> Int32 {
        record.groups = groups.planned.directories
        (record.unit, record.isUserUnit) = (groups.unit, groups.isUserUnit)
        record.hasGroups = groups.unit != nil
        let creation = try context.store.beginCreation(id, configuration: bundle.text)
        if record.hasGroups || record.hostMounts != nil { try context.store.note(record) }
        return creation.release()
    }

    /// Whether nothing has to happen between creation and start.
    private func startsAtOnce(_ bundle: Bundle) -> Bool {
        bundle.configuration.hooks == nil && bundle.configuration.process?.terminal != true
            && options.pidfdSocket == nil && NotifySocket(context.store, id) == nil
    }

    private func plan(
        _ bundle: Bundle, _ groups: ContainerGroups, _ preserved: InheritedDescriptors
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
            group: groups.group, scratch: context.store.directory(id))
        plan.bundle = bundle.path
        plan.usesPivotRoot = options.usesPivotRoot
        plan.isPrivileged = geteuid() == 0
        plan.moves = groups.mover
        plan.bindsDevices = context.isInUserNamespace
        return plan
    }

    /// What hooks of the creation made is taken away by those of the end (runtime.md: Lifecycle).
    private func runLastHooks(_ bundle: Bundle) {
        let state = ContainerState(
            id: id, status: .stopped, pid: 0, bundle: bundle.path, annotations: bundle.configuration.annotations)
        context.runHooks(bundle.configuration.hooks?.poststop, "poststop", state)
    }

    /// Hands on what others wait for, and lets the first process go to its gate.
    private func finish(_ launched: ContainerLauncher.Launched, _ made: inout Made, hasGate: Bool) throws {
        made.terminal = launched.terminal
        made.sync = launched.sync
        try FaultPoint.consoleSocket.reached()
        if let master = launched.terminal, let path = options.consoleSocket {
            try DescriptorSocket.sendTerminal(master, to: path)
            close(master)
            made.terminal = nil
        }
        if let path = options.pidfdSocket {
            try DescriptorSocket.sendProcess(launched.pidfd, isFirst: true, to: path)
        }
        try FaultPoint.pidFile.reached()
        if let path = options.pidFile { try PidFile.write(launched.pid, to: path) }
        do {
            try FaultPoint.handover.reached()
            try context.store.endCreation(id)
            if hasGate {
                _ = try made.proceed()
                made.sync = -1
            }
        } catch {
            if let path = options.pidFile { unlink(path) }
            throw error
        }
        close(launched.pidfd)
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
