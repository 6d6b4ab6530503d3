import CLinux
import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import Seccomp

/// One container: its processes, its clients, its log and its end. Everything happens on one thread, in `serve`.
final class Shim {
    let specification: ContainerSpecification
    let group: ControlGroup
    let dataDirectory: String
    let runDirectory: String
    let loop = EventLoop()

    private var signals: Int32 = -1
    private var listener: Int32 = -1
    /// Keeps the container's mounts until the shim ends: taking an overlay away writes its file system back, which must
    /// not hold up the news that the container has ended.
    private var mountNamespace: Int32 = -1
    var pidfd: Int32 = -1
    var container: ContainedProcess?
    var log: ContainerLog?
    var clients: [ObjectIdentifier: ShimClient] = [:]
    /// Clients that see the first process's output.
    var watchers: [ShimClient] = []
    var waiters: [ShimClient] = []
    var execs: [String: ExecutedProcess] = [:]
    private var filters: FilterCache
    var isStarted = false
    /// Who asked for the start that is under way.
    var starter: ShimClient?
    var startFailure: SetupError?
    var exit: ExitRecord?
    private var isDone = false

    /// The most connections at a time.
    private static let clientLimit = 256
    /// How long no client is taken in where there is no descriptor for it, nanoseconds.
    private static let acceptPause: Int64 = 100_000_000

    var containerPid: pid_t { container?.pid ?? 0 }

    init(
        specification: ContainerSpecification, group: ControlGroup, dataDirectory: String, runDirectory: String,
        cacheDirectory: String?
    ) {
        filters = FilterCache(directory: cacheDirectory)
        self.specification = specification
        self.group = group
        self.dataDirectory = dataDirectory
        self.runDirectory = runDirectory
    }

    /// Makes the container; its first process waits to be started. Leaves nothing behind where that fails.
    func create() throws {
        let subreaper: Int32 = 36
        _ = cl_prctl(subreaper, 1, 0, 0, 0)
        let lock = try Descriptor.open(runDirectory + "/" + ShimFiles.lock, O_RDWR | O_CREAT, mode: 0o600)
        // An earlier shim of the container may be about to end.
        try syscall("flock", on: runDirectory) { flock(lock.rawValue, LOCK_EX) }
        _ = lock.release()
        do {
            signals = try checked("signalfd", cl_signal_descriptor())
            log = try ContainerLog(specification.log)
            let devices = try HostDevices(specification)
            // What there is of v2 is where the first process begins.
            try group.part(isUnified: true).create()
            try cloneInit(devices)
            listener = try UnixSocket.listen(runDirectory + "/" + ShimFiles.socket).release()
            let state = ShimState(
                version: ContainerSpecification.currentVersion, shimPid: getpid(), containerPid: containerPid,
                cgroups: group.directories)
            try Files.write(runDirectory + "/" + ShimFiles.state, JSONCoding.encode(state), mode: 0o600)
        } catch {
            group.removeWithProcesses(reapsChildren: true)
            unlink(runDirectory + "/" + ShimFiles.socket)
            throw error
        }
    }

    private func rules(_ devices: HostDevices) throws -> [LinuxResources.DeviceRule] {
        let own = try specification.resources.deviceRules.map { text in
            guard let rule = LinuxResources.DeviceRule(text) else {
                throw SetupError("invalid device rule \"\(text)\"")
            }
            return rule
        }
        return LinuxResources.DeviceRule.defaults + own + devices.rules
    }

    private func plan(_ devices: HostDevices) -> ContainerPlan {
        var configuration = RuntimeConfiguration()
        configuration.hostname = specification.hostname
        configuration.domainname = specification.domainname
        configuration.mounts = specification.mounts
        configuration.linux = specification.linux
        configuration.linux?.devices = (specification.linux.devices ?? []) + devices.devices
        var process = ProcessPlan(specification.process)
        process.hasReaper = specification.hasInit
        return ContainerPlan(
            id: specification.id, configuration: configuration, root: specification.root, process: process,
            group: group, scratch: runDirectory)
    }

    private func cloneInit(_ devices: HostDevices) throws {
        let streams = try StandardStreams(
            hasTerminal: specification.process.hasTerminal, hasInput: specification.process.hasInput)
        // While the first process mounts, this one makes its group and compiles its filter.
        let launched = try ContainerLauncher(plan(devices), streams: streams).launch { [unowned self] _ in
            try group.part(isUnified: false).create()
            try group.apply(specification.resources)
            if !specification.resources.allowsAllDevices, !specification.isPrivileged {
                try group.restrictDevices(rules(devices))
            }
            return group
        } whileMounting: { [unowned self] _ in
            _ = try filter(of: specification.process)
        }
        pidfd = launched.pidfd
        let process = ContainedProcess(
            pid: launched.pid, sync: launched.sync, streams: streams, specification: specification.process, loop: loop)
        container = process
        process.takeOutput = { [unowned self] in takeContainerOutput($0, $1) }
        process.finished = { [unowned self] in containerFinished(code: $0) }
        if let terminal = launched.terminal { process.adopt(terminal: terminal) }
        process.openStreams()
        mountNamespace = (try? Descriptor.open("/proc/\(launched.pid)/ns/mnt", O_RDONLY).release()) ?? -1
    }

    /// Nil where nothing is filtered.
    func filter(of process: ProcessSpecification) throws -> SeccompFilter? {
        guard let configuration = process.seccomp.configuration(capabilities: process.capabilities) else { return nil }
        return try filters.filter(
            of: FilterKey(choice: process.seccomp, capabilities: process.capabilities), configuration)
    }

    /// Serves clients until the container has ended and they know.
    func serve() throws {
        loop.watch(signals, POLLIN) { [unowned self] _ in reap() }
        loop.watch(listener, POLLIN) { [unowned self] _ in acceptClient() }
        // A child may have ended before the first look.
        reap()
        try loop.run { !isDone }
    }

    private func acceptClient() {
        let connection = cl_accept(listener)
        guard connection >= 0 else {
            // Without a descriptor for it the client waits, and would be reported for as long.
            if [-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM].contains(connection) { restFromAccepting() }
            return
        }
        if clients.count >= Self.clientLimit {
            close(connection)
            return
        }
        let client = ShimClient(connection, loop: loop)
        clients[ObjectIdentifier(client)] = client
        client.received = { [unowned self, unowned client] in handle($0, from: client) }
        client.closed = { [unowned self, unowned client] in forget(client) }
    }

    private func restFromAccepting() {
        loop.setEvents(listener, POLLIN, isPaused: true)
        loop.at(Clock.sinceBoot() + Self.acceptPause) { [unowned self] in loop.setEvents(listener, POLLIN) }
    }

    private func forget(_ client: ShimClient) {
        clients[ObjectIdentifier(client)] = nil
        watchers.removeAll { $0 === client }
        waiters.removeAll { $0 === client }
        if starter === client { starter = nil }
        resumeOutput()
        if exit != nil { endIfServed() }
    }

    private func reap() {
        cl_drain_signals(signals)
        var code: Int32 = 0
        while case let pid = cl_wait(-1, 1, &code), pid > 0 {
            if pid == containerPid {
                container?.hasEnded(code: code)
                containerEnded()
            } else if let exec = execs.values.first(where: { $0.process.pid == pid }) {
                exec.ended(code: code)
            }
        }
    }

    // MARK: The end

    /// The most output that is taken after the end, in bytes, where a process outside still writes.
    private static let drainLimit = 64 << 20
    /// How long clients have to take what is left, nanoseconds.
    private static let farewell: Int64 = 10_000_000_000

    private func containerEnded() {
        if specification.linux.choice(.pid) != .new { group.killAll() }
        if let container, container.sync >= 0 { readStartOutcome() }
        container?.drain(limit: Self.drainLimit)
    }

    private func containerFinished(code: Int32) {
        log?.finish()
        var record = ExitRecord(
            code: code, oomKilled: group.oomKills() > 0, finishedAt: Clock.now().nanosecondsSinceEpoch)
        if let startFailure {
            record.code = startFailure.code
            record.error = startFailure.reason
        }
        exit = record
        // Without its record the container counts as killed; there is nobody else to tell.
        try? Files.replaceDurably(
            dataDirectory + "/" + ShimFiles.exit, JSONCoding.encode(record), mode: 0o600)
        // Who waits is told at once. The connection ends when the group is gone too, so that nobody finds it then.
        let told = waiters
        for client in told { client.answer(ShimAnswer(code: record.code, exit: record), then: .waiting) }
        for exec in execs.values { exec.ended(code: 137) }
        for client in watchers { client.finish(code: record.code) }
        group.removeWithProcesses(reapsChildren: true)
        for client in told { client.finish() }
        loop.at(Clock.sinceBoot() + Self.farewell) { [unowned self] in
            for client in clients.values { client.close() }
            finish()
        }
        endIfServed()
    }

    private func endIfServed() {
        if clients.values.allSatisfy({ if case .request = $0.mode { true } else { false } }) { finish() }
    }

    private func finish() {
        if isDone { return }
        isDone = true
        unlink(runDirectory + "/" + ShimFiles.socket)
        unlink(runDirectory + "/" + ShimFiles.state)
    }
}

/// What Docker's filters depend on.
private struct FilterKey: Encodable {
    var choice: SeccompChoice
    var capabilities: UInt64
}

extension ProcessPlan {
    init(_ specification: ProcessSpecification) {
        self.init(specification.configuration)
        names = specification.user
        endsWithMaker = true
    }
}
