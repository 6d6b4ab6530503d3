import CLinux
import Containment
import Glibc
import LinuxSystem
import RuntimeProtocol

/// A process that `exec` started, and the client that did.
final class ExecutedProcess {
    let id: String
    let process: ContainedProcess
    /// Waits for the answer, then sees the output; nil when it has gone.
    weak var client: ShimClient?
    var isStarted = false
    private var earlyExit: Int32?

    init(id: String, process: ContainedProcess, client: ShimClient) {
        self.id = id
        self.process = process
        self.client = client
    }

    /// The process ended: what it left in its pipes comes as fast as the client takes it.
    func ended(code: Int32) {
        guard process.exitCode == nil else { return }
        process.hasEnded(code: code)
        if isStarted { drain() }
    }

    /// The client has room again, or has gone.
    func resumeOutput() {
        for pump in process.pumps { pump.resume() }
        if isStarted { drain() }
    }

    func drain() {
        guard process.exitCode != nil, client?.isFull != true else { return }
        for pump in process.pumps where !pump.isAtEnd { pump.resume() }
        process.drain(limit: ShimClient.queueLimit)
    }
}

extension Shim {
    /// How long a client that takes nothing may hold the container's output back, nanoseconds; then it is let go.
    private static let patience: Int64 = 2_000_000_000

    func handle(_ request: ShimRequest, from client: ShimClient) {
        if exit != nil {
            switch request {
            case .wait, .state: break
            default:
                client.answer(ShimAnswer(error: "container \(facts.id) is not running"))
                return
            }
        }
        switch request {
        case .state: client.answer(ShimAnswer(pid: containerPid, isStarted: isStarted, exit: exit))
        case .wait:
            if let exit {
                tell(client, exit)
                client.finish()
            } else {
                client.wait()
                waiters.append(client)
            }
        case .start: start(client)
        case .kill(let signal, let wholeGroup): kill(signal, wholeGroup: wholeGroup, client)
        case .attach(let hasInput): attach(client, hasInput: hasInput)
        case .exec(let id, let process): exec(id, process, client)
        case .resize(let id, let rows, let columns): resize(id, rows, columns, client)
        }
    }

    // MARK: Start

    private func start(_ client: ShimClient) {
        guard let container, !isStarted, !isStarting else {
            client.answer(ShimAnswer(error: "container \(facts.id) is already started"))
            return
        }
        do {
            let channel = try SyncChannel(sharing: container.sync)
            try channel.send(.proceed(pid: container.pid, filter: firstFilter))
            firstFilter = nil
        } catch {
            client.answer(ShimAnswer(error: "start: \(error)", code: 128))
            return
        }
        isStarting = true
        starter = client
        client.wait()
        loop.watch(container.sync, POLLIN) { [unowned self] _ in readStartOutcome() }
    }

    /// The channel's end after the word to start means that exec succeeded; a message says why it did not.
    func readStartOutcome() {
        guard let container, container.sync >= 0 else { return }
        if case .failure(let error) = Self.message(on: container.sync) { startFailure = error }
        loop.unwatch(container.sync)
        container.closeSync()
        isStarted = isStarting && startFailure == nil
        isStarting = false
        let answer =
            startFailure.map { ShimAnswer(error: $0.reason, code: $0.code) }
            ?? ShimAnswer(pid: containerPid, isStarted: isStarted)
        starter?.answer(answer)
        starter = nil
    }

    /// What a process being set up says; its end where nothing can be read.
    private static func message(on descriptor: Int32) -> SyncChannel.Message {
        do {
            return try SyncChannel(sharing: descriptor).receive()
        } catch {
            return .end
        }
    }

    // MARK: Signals and terminals

    private func kill(_ signal: Int32, wholeGroup: Bool, _ client: ShimClient) {
        if wholeGroup {
            if signal == SIGKILL {
                group.killAll()
            } else {
                for pid in group.processes(recursive: true) { Glibc.kill(pid, signal) }
            }
            client.answer(ShimAnswer())
            return
        }
        let result = cl_pidfd_send_signal(pidfd, signal)
        if signal == SIGKILL, group.unifiedPath == nil { try? group.setFrozen(false) }
        client.answer(ShimAnswer(error: result < 0 ? "kill: \(describe(-result))" : nil))
    }

    private func resize(_ id: String?, _ rows: UInt16, _ columns: UInt16, _ client: ShimClient) {
        let terminal = (id.map { execs[$0]?.process } ?? container)?.terminal ?? -1
        guard terminal >= 0 else {
            client.answer(ShimAnswer(error: "no such terminal"))
            return
        }
        let result = cl_set_terminal_size(terminal, rows, columns)
        client.answer(ShimAnswer(error: result < 0 ? "resize: \(describe(-result))" : nil))
    }

    // MARK: Output and input of the first process

    private func attach(_ client: ShimClient, hasInput: Bool) {
        let input = hasInput ? container?.input : nil
        client.inputEnded = { [unowned self] in
            if hasInput, facts.closesInputAfterFirstClient { container?.input?.finish() }
        }
        client.hasRoomAgain = { [unowned self] in resumeOutput() }
        input?.hasRoomAgain = { [unowned self] in for client in watchers { client.updateEvents() } }
        watchers.append(client)
        client.answer(ShimAnswer(pid: containerPid), then: .stream(input: input))
    }

    func takeContainerOutput(_ kind: UInt8, _ bytes: UnsafeRawBufferPointer) -> Bool {
        log?.take(kind, bytes)
        if watchers.isEmpty { return true }
        let frame = ShimFrame.encode(kind, bytes)
        for client in watchers { client.send(frame) }
        guard watchers.contains(where: \.isFull) else { return true }
        // Somebody does not keep up: the container waits a little, then goes on without that client.
        watchStalled()
        return false
    }

    /// Sees to it that a timer runs while a client is full, one for all of them.
    private func watchStalled() {
        guard !watchesStalled, let first = watchers.filter(\.isFull).map(\.lastProgress).min() else { return }
        watchesStalled = true
        loop.at(first + Self.patience) { [unowned self] in
            watchesStalled = false
            dropStalled()
        }
    }

    private func dropStalled() {
        let latest = Clock.sinceBoot() - Self.patience
        for client in watchers where client.isFull && client.lastProgress <= latest { client.close() }
        watchStalled()
    }

    func resumeOutput() {
        guard !watchers.contains(where: \.isFull) else { return }
        for pump in container?.pumps ?? [] { pump.resume() }
    }

    // MARK: Exec

    private func exec(_ id: String, _ specification: ProcessSpecification, _ client: ShimClient) {
        guard isStarted, execs[id] == nil else {
            client.answer(ShimAnswer(error: "container \(facts.id) is not running"))
            return
        }
        do {
            let filter = try filter(of: specification)
            let streams = try StandardStreams(
                hasTerminal: specification.hasTerminal, hasInput: specification.hasInput)
            let launched: ExecLauncher.Launched
            do {
                launched = try ExecLauncher(
                    ProcessPlan(specification), group: group, container: pidfd, containerPid: containerPid,
                    streams: streams
                ).launch(filter)
            } catch {
                streams.closeChildEnds()
                streams.closeOwnEnds()
                throw error
            }
            let process = ContainedProcess(
                pid: launched.pid, sync: launched.sync, streams: streams, specification: specification, loop: loop)
            begin(ExecutedProcess(id: id, process: process, client: client))
        } catch {
            let failure = SetupError(error)
            client.answer(ShimAnswer(error: failure.reason, code: failure.code))
        }
    }

    private func begin(_ exec: ExecutedProcess) {
        execs[exec.id] = exec
        exec.client?.wait()
        exec.process.takeOutput = { [unowned exec] kind, bytes in
            guard let client = exec.client, client.isOpen else { return true }
            client.send(ShimFrame.encode(kind, bytes))
            return !client.isFull
        }
        exec.process.finished = { [unowned self, unowned exec] code in
            exec.client?.finish(code: code)
            execs[exec.id] = nil
        }
        loop.watch(exec.process.sync, POLLIN) { [unowned self, unowned exec] _ in readOutcome(of: exec) }
    }

    private func readOutcome(of exec: ExecutedProcess) {
        switch Self.message(on: exec.process.sync) {
        case .ready(let terminal?): exec.process.adopt(terminal: terminal)
        case .ready, .proceed, .go, .network, .group, .mounted, .cloned, .needsMappings, .listening: return
        case .failure(let error):
            closeSync(of: exec)
            exec.client?.answer(ShimAnswer(error: error.reason, code: error.code))
            exec.process.discardStreams()
            execs[exec.id] = nil
        case .end:
            closeSync(of: exec)
            started(exec)
        }
    }

    private func closeSync(of exec: ExecutedProcess) {
        loop.unwatch(exec.process.sync)
        exec.process.closeSync()
    }

    private func started(_ exec: ExecutedProcess) {
        exec.isStarted = true
        exec.process.openStreams()
        if let client = exec.client {
            client.inputEnded = { [weak exec] in exec?.process.input?.finish() }
            client.hasRoomAgain = { [weak exec] in exec?.resumeOutput() }
            exec.process.input?.hasRoomAgain = { [weak client] in client?.updateEvents() }
            client.answer(ShimAnswer(pid: exec.process.pid), then: .stream(input: exec.process.input))
        }
        exec.drain()
    }
}
