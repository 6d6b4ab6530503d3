import CLinux
import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import Seccomp
import SystemdUnits

/// `exec`: another process in a container.
struct ExecCommand {
    private let context: RuntimeContext
    private let id: String
    private let options: ExecOptions

    /// The longest file with a process that is read, in bytes.
    private static let limit = 16 << 20

    init(_ context: RuntimeContext, _ id: String, _ options: ExecOptions) {
        self.context = context
        self.id = id
        self.options = options
    }

    /// - Returns: the exit code of the process; 0 for one that is detached.
    func run() throws -> Int32 {
        let preserved = try InheritedDescriptors.prepare(
            preserved: options.preservedDescriptors, takesListening: false)
        let container = try context.container(id)
        switch container.status {
        case .stopped, .creating: throw SetupError("cannot exec in a stopped container")
        case .paused where !options.ignoresPause: throw SetupError("cannot exec in a paused container")
        // At the gate it is still a copy of the runtime, into which an ordinary user may not look (ptrace(2)).
        case .created where geteuid() != 0:
            throw SetupError("cannot exec in a container that has not been started, as an ordinary user")
        case .paused, .created, .running: break
        }
        let process = try container.openProcess()
        var configuration = try configuration(container.record)
        configuration.env = (configuration.env ?? []) + preserved.variables
        let hasTerminal = configuration.terminal == true
        guard !hasTerminal || options.consoleSocket != nil || !options.isDetached else {
            throw SetupError("process.terminal: cannot allocate a terminal without --console-socket when detached")
        }
        var plan = ProcessPlan(configuration)
        plan.preservedDescriptors = preserved.count
        plan.personality = container.record.configuration.linux?.personality
        let filter = try filter(container.record)
        if options.isDetached {
            try start(plan, filter, container, process)
            return 0
        }
        let foreground = try ForegroundProcess()
        let (pid, terminal) = try start(plan, filter, container, process)
        return try foreground.wait(pid, terminal: terminal)
    }

    /// - Returns: the process, and the master of its terminal where it was not handed on.
    @discardableResult private func start(
        _ plan: ProcessPlan, _ filter: SeccompFilter?, _ container: StoredContainer, _ process: borrowing Descriptor
    ) throws -> (pid: pid_t, terminal: Int32?) {
        let group = try group(container)
        let launched = try ExecLauncher(
            plan, group: group, isGroupGiven: options.cgroups.contains { !$0.isEmpty },
            container: process.rawValue, containerPid: container.record.pid
        ).launch(filter, moves: mover(container))
        do {
            let terminal = try follow(SyncChannel(owning: launched.sync), launched.pid, container)
            if let path = options.pidFile { try PidFile.write(launched.pid, to: path) }
            if let path = options.pidfdSocket {
                let pidfd = Descriptor(owning: try checked("pidfd_open", cl_pidfd_open(launched.pid)))
                try DescriptorSocket.sendProcess(pidfd.rawValue, isFirst: false, to: path)
            }
            return (launched.pid, terminal)
        } catch {
            kill(launched.pid, SIGKILL)
            _ = try? ChildProcess.wait(launched.pid)
            throw error
        }
    }

    /// Into a scope of the user's own systemd the kernel lets nobody but systemd move a process that comes from outside
    /// of what is the user's, such as a session's (cgroups(7), "Delegation Containment").
    private func mover(_ container: StoredContainer) -> ((pid_t, ControlGroup) throws -> Void)? {
        guard let unit = container.record.unit, container.record.isUserUnit, let top = container.group.unifiedPath
        else { return nil }
        return { pid, group in
            guard let path = group.unifiedPath, path == top || path.hasPrefix(top + "/") else {
                throw SetupError("the container's processes have left \(unit)")
            }
            var manager = try SystemdManager(.user)
            try manager.attach([pid], to: unit, subgroup: String(path.dropFirst(top.count)))
        }
    }

    /// Until its end the channel may bring a terminal, and a filter's descriptor of notifications.
    private func follow(
        _ channel: consuming SyncChannel, _ pid: pid_t, _ container: StoredContainer
    ) throws -> Int32? {
        var terminal: Int32?
        while true {
            switch try channel.receive() {
            case .end: return terminal
            case .failure(let error): throw error
            case .ready(let master?):
                terminal = master
                if let path = options.consoleSocket {
                    try DescriptorSocket.sendTerminal(master, to: path)
                    close(master)
                    terminal = nil
                }
            case .listening(let number):
                try ListenerHandover.hand(
                    number, of: pid, state: container.state(.running), container.record.configuration.linux?.seccomp)
                try channel.send(.go(pid: pid))
            default: throw SetupError("the process says what is not understood")
            }
        }
    }

    private func group(_ container: StoredContainer) throws -> ControlGroup {
        var directories = container.group.directories
        for name in options.cgroups where !name.isEmpty {
            // `controllers:path` names the group in some hierarchies, a path alone in all.
            let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let controllers = parts.count == 2 ? parts[0].split(separator: ",").map(String.init) : nil
            let path = (parts.last ?? "").split(separator: "/").map(String.init)
            guard !path.contains("..") else { throw SetupError("--cgroup: \(name) is not a sub cgroup path") }
            for controller in controllers ?? [] where !directories.contains(where: { Self.is($0, controller) }) {
                throw SetupError("--cgroup \(name): unknown controller \(controller)")
            }
            for index in directories.indices {
                let directory = directories[index]
                if let controllers, !controllers.contains(where: { Self.is(directory, $0) }) { continue }
                directories[index].name += path.map { "/" + $0 }.joined()
                let file = directories[index].path + "/cgroup.procs"
                guard Files.exists(file) else {
                    throw SetupError("--cgroup \(name): adding pid to \(file): \(describe(ENOENT))")
                }
            }
        }
        return ControlGroup(directories: directories)
    }

    /// v2's hierarchy is named by its controllers, or by none.
    private static func `is`(_ directory: CgroupDirectory, _ controller: String) -> Bool {
        directory.controllers.contains(controller) || directory.isUnified && controller.isEmpty
    }

    private func filter(_ record: ContainerRecord) throws -> SeccompFilter? {
        guard let seccomp = record.configuration.linux?.seccomp else { return nil }
        var cache = FilterCache(directory: context.store.filterCache)
        return try cache.filter(of: seccomp, seccomp)
    }

    /// The process of `--process`, or the container's own with what the flags change.
    private func configuration(_ record: ContainerRecord) throws -> ProcessConfiguration {
        if let path = options.processFile {
            do {
                let text = try Files.read(path, limit: Self.limit)
                let process = try ProcessConfiguration(parsing: text)
                try process.validate("process")
                return process
            } catch {
                throw SetupError("\(path): \(error)")
            }
        }
        var process = record.configuration.process ?? ProcessConfiguration(args: [])
        process.args = options.arguments
        process.terminal = options.hasTerminal
        process.consoleSize = nil
        if let directory = options.workingDirectory { process.cwd = directory }
        process.env = (process.env ?? []) + options.environment
        process.user = user(process.user)
        if options.noNewPrivileges { process.noNewPrivileges = true }
        if let profile = options.apparmorProfile { process.apparmorProfile = profile }
        if let label = options.selinuxLabel { process.selinuxLabel = label }
        add(options.capabilities, to: &process)
        try process.validate("process")
        return process
    }

    /// The container's own user with what the flags change.
    private func user(_ own: ProcessConfiguration.User?) -> ProcessConfiguration.User? {
        guard options.user != nil || !options.additionalGroups.isEmpty else { return own }
        var user = own ?? ProcessConfiguration.User()
        if let given = options.user { (user.uid, user.gid) = (given.uid, given.gid ?? user.gid) }
        user.additionalGids = (user.additionalGids ?? []) + options.additionalGroups
        return user
    }

    /// What is added may be used, and is not handed on by inheritance (CVE-2022-29162).
    private func add(_ names: [String], to process: inout ProcessConfiguration) {
        guard !names.isEmpty else { return }
        var sets = process.capabilities ?? ProcessConfiguration.Capabilities()
        sets.bounding = (sets.bounding ?? []) + names
        sets.effective = (sets.effective ?? []) + names
        sets.permitted = (sets.permitted ?? []) + names
        if !Guard.inheritable.holds { sets.inheritable = (sets.inheritable ?? []) + names }
        process.capabilities = sets
    }
}
