import Cgroups
import Glibc
import LinuxSystem
import Values

extension RunningLab {
    /// Makes a lab and, where the options say so, forms its swarm. A failure, or the task's cancellation, takes down
    /// what was made.
    @discardableResult
    public static func up(
        _ configuration: LabConfiguration, options: LabOptions = LabOptions()
    ) async throws -> RunningLab {
        try configuration.validate()
        if options.formsSwarm, !configuration.hosts.contains(where: { $0.role == .manager }) {
            throw LabError("hosts: no host has the role manager, so no swarm can be formed")
        }
        guard geteuid() == 0 else { throw LabError("a lab makes namespaces, links and control groups: run as root") }
        let lab = RunningLab(unchecked: configuration.name)
        let programs = try programDirectory(options)
        let lock = try await LabThread.run { try LabLock(lab.paths) }
        do {
            try await lab.make(configuration, options, programs)
        } catch is AlreadyThere {
            throw LabError("lab \(lab.name) is there already; take it down with `martlet lab down \(lab.name)`")
        } catch {
            try await LabThread.run { try lab.takeDown(lock) }
            throw error
        }
        withExtendedLifetime(lock) {}
        return lab
    }

    private struct AlreadyThere: Error {}

    private static func programDirectory(_ options: LabOptions) throws -> String {
        let directory: String
        if let given = options.programs {
            directory = given
        } else {
            var buffer = [CChar](repeating: 0, count: 4096)
            guard readlink("/proc/self/exe", &buffer, buffer.count - 1) > 0 else {
                throw SystemError("readlink", "/proc/self/exe", errno: errno)
            }
            directory = Files.parent(of: buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
        }
        guard options.daemon == .martletd else { return directory }
        for program in ["martletd", "martlet-net", "martlet-runtime"] where access(directory + "/" + program, X_OK) != 0
        {
            throw LabError("\(directory)/\(program) is missing; build Martlet with `scripts/build`")
        }
        return directory
    }

    /// Records what will be made, then makes it.
    private func make(_ configuration: LabConfiguration, _ options: LabOptions, _ programs: String) async throws {
        let progress = options.progress
        let paths = paths
        guard !Files.exists(paths.state) else { throw AlreadyThere() }
        let count = configuration.hosts.count
        progress("lab \(name): \(count) \(count == 1 ? "host" : "hosts") on \(configuration.underlay.ipv4)")
        try await LabThread.run {
            let hierarchies = try ControlGroups().hierarchies
            try Files.makeDirectories(paths.run, mode: 0o755)
            var state = LabState(
                phase: .making, configuration: configuration, daemon: options.daemon, programs: programs,
                groups: HostGroups.directories(paths.group, hierarchies),
                underlay: HostGroups.machine(Self.underlayName, in: paths, hierarchies),
                hosts: configuration.hosts.map { HostGroups.machine($0.name, in: paths, hierarchies) })
            for index in state.hosts.indices { state.hosts[index].daemonEnvironment = options.daemonEnvironment }
            try state.save(paths)
            try Self.bootUnderlay(&state, paths)
        }
        for index in configuration.hosts.indices {
            try Task.checkCancellation()
            try await LabThread.run {
                var state = try LabState.load(paths)
                try Self.boot(index, &state, paths)
                try Self.startDaemon(index, &state, paths)
                try state.save(paths)
            }
        }
        for (index, host) in configuration.hosts.enumerated() {
            try await waitUntilReady(host.name)
            progress("\(host.name) runs at \(configuration.underlay.addresses(ofHost: index, of: count).v4)")
        }
        if options.formsSwarm { try await formSwarm(configuration, progress) }
        var state = try LabState.load(paths)
        state.phase = .up
        try state.save(paths)
    }

    private static func bootUnderlay(_ state: inout LabState, _ paths: LabPaths) throws {
        try HostGroups.create(state.underlay, in: paths, limits: LabConfiguration.Limits())
        for file in state.underlay.processFiles { try Files.makeDirectories(Files.parent(of: file)) }
        let plan = HostPlan.underlay(state).serialized()
        let booting = try LabProgram.boot(lab: paths.lab, host: underlayName, plan: plan)
        state.underlay.initProcess = ProcessMark(living: booting.pid)
        try state.save(paths)
        try booting.proceed()
        try Underlay(state: state).create()
    }

    /// Takes a lab down: processes, namespaces, links, control groups, sockets and data, however far it was made and
    /// whatever became of the command that made it. No such lab is an error.
    public func down() async throws {
        try await LabThread.run {
            let lock = try LabLock(paths)
            guard Files.exists(paths.run) || Files.exists(paths.data) else {
                lock.removeFile()
                rmdir(LabPaths.runRoot)
                throw LabError("there is no lab \"\(name)\"; `martlet lab ls` shows those there are")
            }
            try takeDown(lock)
        }
    }

    /// Opens a lab that may be half-made, to take it down.
    public static func leftover(_ name: String) -> RunningLab { RunningLab(unchecked: name) }

    private func takeDown(_ lock: LabLock) throws {
        if var state = try? LabState.load(paths) {
            state.phase = .goingDown
            try state.save(paths)
            guard HostGroups.killAll(state.groups) else {
                throw LabError("lab \(name): processes are left: \(HostGroups.list(state.groups))")
            }
            let left = HostGroups.remove(state.groups)
            guard left.isEmpty else { throw LabError("lab \(name): control groups are left: \(left)") }
        }
        try Files.removeTree(paths.data)
        try Files.removeTree(paths.run)
        rmdir(LabPaths.dataRoot)
        lock.removeFile()
        rmdir(LabPaths.runRoot)
    }
}
