import CLinux
import Cgroups
import Glibc
import LinuxSystem
import RuntimeSpec
import Seccomp

/// Clones a container's first process and sees it through until it waits to be started.
public struct ContainerLauncher {
    /// What came of it.
    public struct Launched {
        public var pid: pid_t
        /// A pidfd of it (pidfd_open(2)).
        public var pidfd: Int32
        /// The runtime's end of the channel to it.
        public var sync: Int32
        /// The master of its terminal, where it has one.
        public var terminal: Int32?
    }

    private let plan: ContainerPlan
    private let namespaces: NamespacePlan
    private let streams: StandardStreams?
    private let gate: Int32

    /// - Parameters:
    ///   - streams: pipes for it; nil hands the runtime's own 0, 1 and 2 on.
    ///   - gate: a listening socket at which it waits for who starts it; nil waits for `.proceed` on its channel alone.
    public init(_ plan: ContainerPlan, streams: StandardStreams? = nil, gate: Int32? = nil) {
        self.plan = plan
        namespaces = NamespacePlan(plan.linux)
        self.streams = streams
        self.gate = gate ?? -1
    }

    /// Leaves no process behind where it throws.
    ///
    /// - Parameter whileMounting: called once the process is on its way.
    public func launch(whileMounting: (pid_t) throws -> Void = { _ in }) throws -> Launched {
        try FaultPoint.streams.reached()
        let sources = try MountSources.ofRuntime(plan, namespaces)
        defer { sources.close() }
        // A process in another user namespace may not clone into the group, but may write to files that are open.
        let isCloned = !(namespaces.needsStage && namespaces.hasUser) && plan.isPrivileged
        let unified =
            try plan.group.unifiedPath.flatMap {
                isCloned ? try Descriptor.open($0, O_RDONLY | O_DIRECTORY).release() : nil
            } ?? -1
        defer { if unified >= 0 { close(unified) } }
        let entrances = try GroupEntrances(plan.group, exceptUnified: unified >= 0)
        defer { entrances.close() }
        let proc = try HostProc()
        let (own, other) = try SyncChannel.pair()
        var launched = Launched(pid: 0, pidfd: -1, sync: own, terminal: nil)
        do {
            defer { close(other) }
            try FaultPoint.clone.reached()
            launched.pid =
                namespaces.needsStage
                ? try cloneStage(other, own, unified, entrances, sources, proc)
                : try cloneInit(namespaces.flags, other, own, unified, entrances, sources, proc, &launched.pidfd)
        } catch {
            close(own)
            throw error
        }
        do {
            let channel = try SyncChannel(sharing: own)
            try follow(channel, &launched, whileMounting)
            return launched
        } catch {
            kill(launched.pid, SIGKILL)
            _ = try? ChildProcess.wait(launched.pid)
            close(own)
            if launched.pidfd >= 0 { close(launched.pidfd) }
            if let terminal = launched.terminal { close(terminal) }
            throw error
        }
    }

    private func follow(
        _ channel: borrowing SyncChannel, _ launched: inout Launched, _ whileMounting: (pid_t) throws -> Void
    ) throws {
        var stage: pid_t?
        if namespaces.needsStage { stage = launched.pid }
        var compiled: Result<Void, any Error>?
        while true {
            if stage == nil, compiled == nil, !namespaces.hasNewUser || namespaces.needsStage {
                compiled = Result { try work(launched.pid, whileMounting) }
            }
            switch try channel.receive() {
            case .needsMappings:
                try FaultPoint.mapping.reached()
                try UserNamespace.map(
                    stage ?? launched.pid, uids: plan.linux.uidMappings ?? [], gids: plan.linux.gidMappings ?? [],
                    isPrivileged: plan.isPrivileged)
                try channel.send(.go(pid: stage ?? launched.pid))
                if stage == nil { compiled = Result { try work(launched.pid, whileMounting) } }
            case .cloned(let pid):
                if let passed = stage { _ = try ChildProcess.wait(passed) }
                stage = nil
                launched.pid = pid
                launched.pidfd = try checked("pidfd_open", cl_pidfd_open(pid))
                try channel.send(.go(pid: pid))
            case .mounted:
                try FaultPoint.runtimeHooks.reached()
                // Those of version 1.0 were run between create and start, and are told so.
                try HookRunner.run(plan.hooks.prestart, "prestart", plan.state(.created, pid: launched.pid))
                try HookRunner.run(
                    plan.hooks.createRuntime, "createRuntime", plan.state(.creating, pid: launched.pid))
                try channel.send(.go(pid: launched.pid))
            case .ready(let terminal):
                launched.terminal = terminal
                try compiled?.get()
                return
            case .failure(let error): throw error
            case .end, .go, .proceed, .listening:
                throw SetupError("the container's first process ended while it was being set up")
            }
        }
    }

    private func work(_ pid: pid_t, _ whileMounting: (pid_t) throws -> Void) throws {
        if namespaces.hasUser, plan.isPrivileged { try plan.process.setScore(of: pid) }
        try whileMounting(pid)
    }

    // MARK: Processes

    private func cloneInit(
        _ flags: UInt64, _ other: Int32, _ own: Int32, _ unified: Int32, _ entrances: GroupEntrances,
        _ sources: MountSources, _ proc: borrowing HostProc, _ pidfd: UnsafeMutablePointer<Int32>?
    ) throws -> pid_t {
        let proc = try HostProc(sharing: proc)
        let pid: pid_t
        do {
            pid = try checked("clone", cl_clone_process(flags, unified, pidfd))
        } catch {
            throw SetupError("cannot make the container's namespaces: \(describe(error.errno))")
        }
        guard pid == 0 else { return pid }
        if own >= 0 { close(own) }
        ContainerInit(
            plan: plan, namespaces: namespaces, entrances: entrances, streams: streams,
            sync: SyncChannel(owning: other), gate: gate, sources: sources, proc: proc
        ).run()
    }

    /// A process that joins and makes what holds for children only, clones the first process as its brother and ends.
    private func cloneStage(
        _ other: Int32, _ own: Int32, _ unified: Int32, _ entrances: GroupEntrances, _ sources: MountSources,
        _ proc: borrowing HostProc
    ) throws -> pid_t {
        let pid = try checked("clone", cl_clone_process(0, -1, nil))
        guard pid == 0 else { return pid }
        close(own)
        do {
            let channel = try SyncChannel(sharing: other)
            try enterStage(channel, proc)
            // Whoever is in a PID namespace that was joined sees the first process from its beginning.
            try ProcessSetup.becomeOpaque()
            let flags = (namespaces.flags & ~UInt64(CL_CLONE_NEWUSER)) | UInt64(CL_CLONE_PARENT)
            let child = try cloneInit(flags, other, -1, unified, entrances, sources, proc, nil)
            try channel.send(.cloned(child))
        } catch {
            if let channel = try? SyncChannel(sharing: other) { try? channel.send(.failure(SetupError(error))) }
        }
        _exit(0)
    }

    private func enterStage(_ channel: borrowing SyncChannel, _ proc: borrowing HostProc) throws {
        for join in namespaces.joins { try ContainerInit.join(join) }
        if namespaces.hasNewUser {
            try checked("unshare", on: "user namespace", cl_unshare(Int32(CL_CLONE_NEWUSER)))
            try channel.send(.needsMappings)
            guard case .go = try channel.receive() else { _exit(1) }
        }
        // Before the change of user: after it the process's own files in /proc are the host's root's.
        try makeTime(proc)
        if namespaces.hasUser { try ContainerInit.becomeRoot() }
    }

    private func makeTime(_ proc: borrowing HostProc) throws {
        guard namespaces.hasNewTime else { return }
        try checked("unshare", on: "time namespace", cl_unshare(Int32(CL_CLONE_NEWTIME)))
        for (clock, offset) in plan.linux.timeOffsets ?? [:] {
            do {
                try proc.write("self/timens_offsets", "\(clock) \(offset.secs ?? 0) \(offset.nanosecs ?? 0)\n")
            } catch {
                throw SetupError("linux.timeOffsets.\(clock): \(describe(error.errno))")
            }
        }
    }
}
