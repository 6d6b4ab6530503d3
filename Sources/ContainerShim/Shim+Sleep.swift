import CLinux
import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol

/// An idle shim sleeps outside of libc and Swift, which would keep some hundred kilobytes of memory for as long as the
/// container runs (ADR 12).
extension Shim {
    /// Executes the program again as one that only waits. Goes on where there is something to do, or that fails.
    func sleepIfIdle() {
        guard let state = sleepingState() else { return }
        // Until the next event nobody tries again; an idle shim costs memory, nothing else.
        try? sleep(state)
    }

    /// Nil where something is under way that only this program knows of.
    private func sleepingState() -> SleepingShim? {
        guard isStarted, exit == nil, execs.isEmpty, watchers.isEmpty,
            waiters.count == clients.count, waiters.allSatisfy(\.isQuiet), let container, container.isQuiet
        else { return nil }
        func kept(_ descriptor: Int32?) -> Int32? { descriptor.flatMap { $0 >= 0 ? $0 : nil } }
        return SleepingShim(
            container: facts, cgroups: group.directories, pid: container.pid, pidfd: pidfd, lock: lock,
            signals: signals, listener: listener, mountNamespace: kept(mountNamespace),
            outputs: container.pumps.filter { !$0.isAtEnd }.map { .init(kind: $0.kind, descriptor: $0.descriptor) },
            input: kept(container.input?.descriptor), terminal: kept(container.terminal), log: kept(log?.file),
            unfinishedOutput: log?.unfinishedOutput.bytes ?? [],
            unfinishedErrorOutput: log?.unfinishedErrorOutput.bytes ?? [], waiters: waiters.map(\.descriptor))
    }

    private func sleep(_ state: SleepingShim) throws {
        let file = Descriptor(owning: try checked("memfd_create", cl_memfd_sealable("shim")))
        try Bytes.writeAll(file.rawValue, state.encoded())
        try checked("seal", cl_seal(file.rawValue))
        // The file that runs, whatever stands at its path by now.
        let program = try Descriptor.open("/proc/self/exe", pathOnly)
        guard let arguments = state.arguments(program: program.rawValue, state: file.rawValue, options: options)
        else { return }
        let kept = state.descriptors + [file.rawValue, program.rawValue]
        defer { Self.setCloseOnExec(true, kept) }
        Self.setCloseOnExec(false, kept)
        // What comes from here on is still there when the program looks: signals stay pending, poll(2) asks for levels.
        let result = ChildProcess.withCStrings(arguments) { cl_execveat(program.rawValue, $0, environ) }
        try checked("execveat", on: "/proc/self/exe", result)
    }

    private static func setCloseOnExec(_ isSet: Bool, _ descriptors: [Int32]) {
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, isSet ? FD_CLOEXEC : 0) }
    }

    // MARK: Waking

    /// The shim that slept, from the file that it left; throws where that cannot be read.
    static func awake(from file: consuming Descriptor, _ options: ShimOptions) throws -> Shim {
        try syscall("seek") { lseek(file.rawValue, 0, SEEK_SET) }
        let state = try SleepingShim.decode(Bytes.readToEnd(file.rawValue, limit: SleepingShim.limit))
        for descriptor in state.descriptors {
            try syscall("fcntl", on: "descriptor \(descriptor)") { fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
        let shim = Shim(state.container, group: ControlGroup(directories: state.cgroups), options)
        (shim.lock, shim.signals, shim.listener) = (state.lock, state.signals, state.listener)
        (shim.pidfd, shim.mountNamespace) = (state.pidfd, state.mountNamespace ?? -1)
        shim.isStarted = true
        shim.log = ContainerLog(state)
        let process = ContainedProcess(state, loop: shim.loop)
        shim.container = process
        shim.follow(process)
        for descriptor in state.waiters {
            let client = ShimClient(descriptor, loop: shim.loop)
            client.wait()
            shim.take(client)
            shim.waiters.append(client)
        }
        return shim
    }

    /// The end of a container whose shim cannot go on after a sleep: without anybody who takes its output and knows its
    /// clients it would hang, so it is killed, and its record says why.
    static func giveUp(_ error: any Error, _ options: ShimOptions) {
        var record = ExitRecord(code: 137, oomKilled: false, finishedAt: 0)
        let path = options.runDirectory + "/" + ShimFiles.state
        let state = try? JSONCoding.decode(ShimState.self, from: Files.read(path))
        let group = state.map { ControlGroup(directories: $0.cgroups) }
        if let state, let group {
            group.killAll()
            // Refused where it is no child of this process; where it ended before, by its own code.
            var code: Int32 = 0
            if cl_wait(state.containerPid, 0, &code) > 0 { record.code = code }
            record.oomKilled = group.oomKills() > 0
        }
        record.finishedAt = Clock.now().nanosecondsSinceEpoch
        record.error = "the shim could not go on after a sleep, and its container was killed: \(error)"
        try? Files.replaceDurably(
            options.dataDirectory + "/" + ShimFiles.exit, JSONCoding.encode(record), mode: 0o600)
        group?.removeWithProcesses(reapsChildren: true)
        unlink(options.runDirectory + "/" + ShimFiles.socket)
        unlink(path)
    }
}
