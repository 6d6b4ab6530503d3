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

    /// When the first process becomes the container's program, once all the rest is made.
    public enum Start {
        /// When its channel says so. Only then does it look at what it is to become: the engine is told of that at the
        /// start of the container.
        case whenTold
        /// The same, but what is wrong with the process is told when it is created.
        case prepared
        /// As soon as it can: it is told already while it mounts, and nobody has to be woken for it.
        case atOnce
        /// When somebody connects to this listening socket and sends a byte; it looks at the process before.
        case atGate(Int32)
    }

    private let plan: ContainerPlan
    private let namespaces: NamespacePlan
    private let streams: StandardStreams?
    private let start: Start
    private let network: NetworkMaker?

    /// - Parameters:
    ///   - streams: pipes for it; nil hands the runtime's own 0, 1 and 2 on.
    ///   - start: what it does once everything is made.
    ///   - network: its network namespace; nil where it is to make that itself, or has none.
    public init(
        _ plan: ContainerPlan, streams: StandardStreams? = nil, start: Start = .whenTold, network: NetworkMaker? = nil
    ) {
        self.plan = plan
        namespaces = NamespacePlan(plan.linux)
        self.streams = streams
        self.start = start
        self.network = network
    }

    /// Leaves no process behind where it throws.
    ///
    /// - Parameters:
    ///   - noting: called once the process is on its way, before anything is waited for.
    ///   - makingGroup: called after that: makes what the plan's group has beside v2, or all of it
    ///     where there is only v1, and returns the whole group. The process enters it then.
    ///   - whileMounting: called after that, while the process still mounts; returns the filter of one that starts at
    ///     once.
    public func launch(
        noting: (pid_t) throws -> Void = { _ in },
        makingGroup: ((pid_t) throws -> ControlGroup)? = nil,
        whileMounting: (pid_t) throws -> SeccompFilter? = { _ in nil }
    ) throws -> Launched {
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
        let proc = try HostProc()
        let (own, other) = try SyncChannel.pair()
        var launched = Launched(pid: 0, pidfd: -1, sync: own, terminal: nil)
        do {
            defer { close(other) }
            try FaultPoint.clone.reached()
            launched.pid =
                namespaces.needsStage
                ? try cloneStage(other, own, unified, sources, proc)
                : try cloneInit(namespaces.flags, other, own, unified, sources, proc, &launched.pidfd)
        } catch {
            close(own)
            throw error
        }
        do {
            let channel = try SyncChannel(sharing: own)
            try follow(channel, &launched) { pid in
                if namespaces.hasUser, plan.isPrivileged {
                    try plan.process.setScore(of: pid)
                    try plan.process.raiseLimits(of: pid)
                }
                try noting(pid)
                if let namespace = try network?.take() {
                    try channel.send(.network(namespace.rawValue))
                    _ = consume namespace
                }
                let group = try makingGroup?(pid) ?? plan.group
                try Handover.sendGroup(
                    group, on: channel, exceptUnified: unified >= 0 || plan.moves != nil, plan, namespaces)
                let filter = try whileMounting(pid)
                if case .atOnce = start { try channel.send(.proceed(pid: pid, filter: filter)) }
            }
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
        _ channel: borrowing SyncChannel, _ launched: inout Launched, _ work: (pid_t) throws -> Void
    ) throws {
        var stage: pid_t?
        if namespaces.needsStage { stage = launched.pid }
        var hasWorked = false
        var failure: (any Error)?
        while true {
            if stage == nil, !hasWorked, !namespaces.hasNewUser || namespaces.needsStage {
                hasWorked = true
                failure = attempt(work, launched.pid, channel)
            }
            let message = try channel.receive()
            if case .failure(let error) = message { throw error }
            if let failure { throw failure }
            switch message {
            case .needsMappings:
                try FaultPoint.mapping.reached()
                if !plan.isPrivileged { try plan.process.setScore(of: stage ?? launched.pid) }
                try plan.moves?(stage ?? launched.pid)
                try UserNamespace.map(
                    stage ?? launched.pid, uids: plan.linux.uidMappings ?? [], gids: plan.linux.gidMappings ?? [],
                    isPrivileged: plan.isPrivileged)
                try channel.send(.go(pid: stage ?? launched.pid))
                if stage == nil {
                    hasWorked = true
                    failure = attempt(work, launched.pid, channel)
                }
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
                return
            case .failure, .end, .go, .network, .group, .proceed, .listening:
                throw SetupError("the container's first process ended while it was being set up")
            }
        }
    }

    /// What fails here may fail because the process has ended, which says why then: it is listened to once more, and is
    /// told that nothing more comes.
    private func attempt(
        _ work: (pid_t) throws -> Void, _ pid: pid_t, _ channel: borrowing SyncChannel
    ) -> (any Error)? {
        do {
            try work(pid)
            return nil
        } catch {
            shutdown(channel.descriptor.rawValue, Int32(SHUT_WR))
            return error
        }
    }

    // MARK: Processes

    private func cloneInit(
        _ flags: UInt64, _ other: Int32, _ own: Int32, _ unified: Int32, _ sources: MountSources,
        _ proc: borrowing HostProc, _ pidfd: UnsafeMutablePointer<Int32>?
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
            plan: plan, namespaces: namespaces, streams: streams, sync: SyncChannel(owning: other), start: start,
            sources: sources, proc: proc, isNetworkGiven: network != nil
        ).run()
    }

    /// A process that joins and makes what holds for children only, clones the first process as its brother and ends.
    private func cloneStage(
        _ other: Int32, _ own: Int32, _ unified: Int32, _ sources: MountSources,
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
            let childFlags = (namespaces.flags & ~UInt64(CL_CLONE_NEWUSER)) | UInt64(CL_CLONE_PARENT)
            let child = try cloneInit(childFlags, other, -1, unified, sources, proc, nil)
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
