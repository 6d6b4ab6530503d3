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
    let facts: ContainerFacts
    let group: ControlGroup
    let dataDirectory: String
    let runDirectory: String
    /// The shim's own, with which it goes on after a sleep.
    let options: [String]
    let loop = EventLoop(quietTime: Shim.quietTime)

    /// The run directory's, held until the shim ends.
    var lock: Int32 = -1
    var signals: Int32 = -1
    var listener: Int32 = -1
    /// Keeps the container's mounts until the shim ends: taking an overlay away writes its file system back, which must
    /// not hold up the news that the container has ended.
    var mountNamespace: Int32 = -1
    var pidfd: Int32 = -1
    var container: ContainedProcess?
    var log: ContainerLog?
    var clients: [ObjectIdentifier: ShimClient] = [:]
    /// Clients that see the first process's output.
    var watchers: [ShimClient] = []
    var waiters: [ShimClient] = []
    var execs: [String: ExecutedProcess] = [:]
    private var filters: FilterCache
    /// The first process's, until it is started.
    var firstFilter: SeccompFilter?
    var isStarted = false
    /// Whether the first process has been told to start and has not said yet how that went.
    var isStarting = false
    /// Who asked for the start that is under way; nil where that client has gone.
    var starter: ShimClient?
    var startFailure: SetupError?
    var exit: ExitRecord?
    /// Whether the end is on the disk, or somebody has been told.
    private var isEndKnown = false
    private var isDone = false
    /// Whether a timer looks for watchers that take nothing.
    var watchesStalled = false

    /// How long nothing has to happen until the shim sleeps, milliseconds: sleep and waking cost some milliseconds.
    private static let quietTime: Int32 = 2000
    /// The most connections at a time.
    private static let clientLimit = 256
    /// How long no client is taken in where there is no descriptor for it, nanoseconds.
    private static let acceptPause: Int64 = 100_000_000

    var containerPid: pid_t { container?.pid ?? 0 }

    init(_ facts: ContainerFacts, group: ControlGroup, _ options: ShimOptions) {
        self.facts = facts
        self.group = group
        self.options = options.words
        filters = FilterCache(directory: options.cacheDirectory)
        dataDirectory = options.dataDirectory
        runDirectory = options.runDirectory
    }

    /// Nil where nothing is filtered.
    func filter(of process: ProcessSpecification) throws -> SeccompFilter? {
        guard let configuration = process.seccomp.configuration(capabilities: process.capabilities) else { return nil }
        return try filters.filter(
            of: FilterKey(choice: process.seccomp, capabilities: process.capabilities), configuration)
    }

    /// Serves clients until the container has ended and they know.
    func serve() throws {
        loop.becameQuiet = { [unowned self] in sleepIfIdle() }
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
        take(ShimClient(connection, loop: loop))
    }

    func take(_ client: ShimClient) {
        clients[ObjectIdentifier(client)] = client
        client.received = { [unowned self, unowned client] in handle($0, from: client) }
        client.closed = { [unowned self, unowned client] in forget(client) }
    }

    private func restFromAccepting() {
        loop.setEvents(listener, POLLIN, isPaused: true)
        loop.at(Clock.sinceBoot() + Self.acceptPause) { [unowned self] in loop.setEvents(listener, POLLIN) }
    }

    func follow(_ process: ContainedProcess) {
        process.takeOutput = { [unowned self] in takeContainerOutput($0, $1) }
        process.finished = { [unowned self] in containerFinished(code: $0) }
    }

    private func forget(_ client: ShimClient) {
        clients[ObjectIdentifier(client)] = nil
        watchers.removeAll { $0 === client }
        waiters.removeAll { $0 === client }
        if starter === client { starter = nil }
        resumeOutput()
        for exec in execs.values where exec.client === client {
            exec.client = nil
            exec.resumeOutput()
        }
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
    /// How long after a failure the record is written again, nanoseconds.
    private static let recordPause: Int64 = 1_000_000_000

    private func containerEnded() {
        if !facts.endsWithFirstProcess { group.killAll() }
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
        write(record)
        // Who waits is told at once. The connection ends when the group is gone too, so that nobody finds it then.
        let told = waiters
        for client in told { tell(client, record) }
        for exec in execs.values { exec.ended(code: 137) }
        for client in watchers { client.finish(code: record.code) }
        group.removeWithProcesses(reapsChildren: true)
        for client in told { client.finish() }
        loop.at(Clock.sinceBoot() + Self.farewell) { [unowned self] in
            for client in clients.values { client.close() }
            endIfServed()
        }
        endIfServed()
    }

    /// Where that fails it is tried again until somebody has been told: nobody else knows how the container ended.
    private func write(_ record: ExitRecord) {
        do {
            try Files.replaceDurably(dataDirectory + "/" + ShimFiles.exit, JSONCoding.encode(record), mode: 0o600)
            isEndKnown = true
        } catch {
            // Whoever took the directory away does not ask any more.
            isEndKnown = !Files.isDirectory(dataDirectory)
            loop.at(Clock.sinceBoot() + Self.recordPause) { [unowned self] in
                if !isEndKnown { write(record) }
                endIfServed()
            }
        }
    }

    /// Tells a client that waits how the container ended.
    func tell(_ client: ShimClient, _ record: ExitRecord) {
        client.answer(ShimAnswer(code: record.code, exit: record), then: .waiting)
        if client.isOpen, client.isQuiet { isEndKnown = true }
    }

    private func endIfServed() {
        guard !isDone, isEndKnown,
            clients.values.allSatisfy({ if case .request = $0.mode { true } else { false } })
        else { return }
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
