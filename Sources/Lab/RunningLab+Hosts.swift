import Cgroups
import EngineClient
import Glibc
import LinuxSystem
import Values

extension RunningLab {
    /// Turns a host on anew on its data where it is off, or starts its daemon where that does not run; returns when the
    /// daemon answers. Nothing is done where it runs already.
    ///
    /// - Parameter daemonEnvironment: what its daemon has in its environment beside the usual from this start on, as
    ///   `NAME=value`; nil leaves it as it was.
    public func start(_ host: String, daemonEnvironment: [String]? = nil) async throws {
        try await change { [paths] state in
            let index = try state.hostIndex(host)
            if let daemonEnvironment { state.hosts[index].daemonEnvironment = daemonEnvironment }
            guard !state.hosts[index].isFrozen || state.hosts[index].initProcess?.isAlive != true else {
                throw LabError("\(host) is frozen; continue it with `martlet lab thaw \(host)`")
            }
            if state.hosts[index].initProcess?.isAlive != true {
                // What a host that ended by itself has left.
                try Self.turnOff(index, &state)
                do {
                    try Self.boot(index, &state, paths)
                } catch {
                    try? Self.turnOff(index, &state)
                    throw error
                }
            }
            if state.hosts[index].daemon?.isAlive != true { try Self.startDaemon(index, &state, paths) }
        }
        try await waitUntilReady(host)
    }

    /// Ends a host's daemon: asked to (SIGTERM), or at once (SIGKILL). Its containers go on.
    public func stop(_ host: String, kill isKill: Bool = false) async throws {
        try await change { state in
            let index = try state.hostIndex(host)
            let machine = state.hosts[index]
            guard let daemon = machine.daemon, daemon.isAlive else { return }
            guard isKill || !machine.isFrozen else {
                throw LabError("\(host) is frozen; continue it with `martlet lab thaw \(host)`")
            }
            Glibc.kill(daemon.pid, isKill ? SIGKILL : SIGTERM)
            let deadline = ContinuousClock.now + Self.stopLimit
            while daemon.isAlive {
                guard ContinuousClock.now < deadline else {
                    throw LabError("\(host): the daemon did not end within \(Self.stopLimit)")
                }
                usleep(5_000)
            }
            state.hosts[index].daemon = nil
        }
    }

    /// Pulls a host's plug: first its link goes, so that no peer sees an orderly close, then every process of it,
    /// frozen ones too. Its data stays.
    public func kill(_ host: String) async throws {
        try await change { state in
            let index = try state.hostIndex(host)
            try Self.turnOff(index, &state)
        }
    }

    static func turnOff(_ index: Int, _ state: inout LabState) throws {
        let machine = state.hosts[index]
        let underlay = Underlay(state: state)
        underlay.unplug(hostAt: index)
        guard HostGroups.killAll(machine.groups) else {
            throw LabError("\(machine.name): processes are left: \(HostGroups.list(machine.groups))")
        }
        underlay.disconnect(hostAt: index)
        _ = HostGroups.remove(machine.groups)
        state.hosts[index].initProcess = nil
        state.hosts[index].daemon = nil
        state.hosts[index].isFrozen = false
    }

    /// Makes a host's namespaces, with an empty /run and the data it had, and its link.
    static func boot(_ index: Int, _ state: inout LabState, _ paths: LabPaths) throws {
        let machine = state.hosts[index]
        try prepareFiles(index, state, paths)
        try HostGroups.create(machine, in: paths, limits: state.configuration.hosts[index].limits)
        let mounts = try Files.text("/proc/self/mountinfo").split(separator: "\n").compactMap { line in
            line.split(separator: " ").dropFirst(4).first.map(String.init)
        }
        let plan = HostPlan.host(
            machine, of: state, paths: paths, hierarchies: try ControlGroups().hierarchies, mountPoints: mounts)
        let booting = try LabProgram.boot(lab: paths.lab, host: machine.name, plan: plan.serialized())
        state.hosts[index].initProcess = ProcessMark(living: booting.pid)
        try state.save(paths)
        try Underlay(state: state).connect(hostAt: index)
        try booting.proceed()
    }

    private static func prepareFiles(_ index: Int, _ state: LabState, _ paths: LabPaths) throws {
        let name = state.hosts[index].name
        let configuration = state.configuration
        try Files.removeTree(paths.hostRun(name))
        for path in [
            paths.hostRun(name), paths.host(name) + "/etc", paths.stage(name), paths.data(name), "/var/lib/martlet",
        ] { try Files.makeDirectories(path) }
        if mkfifo(paths.logPipe(name), 0o600) != 0, errno != EEXIST {
            throw SystemError("mkfifo", paths.logPipe(name), errno: errno)
        }
        var hosts = "127.0.0.1 localhost\n::1 localhost\n"
        for (other, host) in configuration.hosts.enumerated() {
            let addresses = configuration.underlay.addresses(ofHost: other, of: configuration.hosts.count)
            hosts += "\(addresses.v4) \(host.name)\n\(addresses.v6) \(host.name)\n"
        }
        let server = configuration.underlay.dns ?? configuration.underlay.own.v4
        let etc = paths.host(name) + "/etc/"
        try Files.write(etc + "hosts", hosts)
        try Files.write(etc + "hostname", name + "\n")
        try Files.write(etc + "resolv.conf", "nameserver \(server)\n")
    }

    /// Starts the daemon, as a child of the host's first process.
    static func startDaemon(_ index: Int, _ state: inout LabState, _ paths: LabPaths) throws {
        let name = state.hosts[index].name
        let environment =
            ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]
            + state.hosts[index].daemonEnvironment
        let pid = try LabProgram.start(
            in: state.hosts[index], namespaces: hostNamespaces, log: paths.logPipe(name), environment: environment,
            state.daemon.command(on: name))
        guard let mark = ProcessMark(living: pid) else {
            throw LabError("\(name): the daemon ended at once\n\(logTail(name, paths))")
        }
        state.hosts[index].daemon = mark
    }

    /// Waits until a host's daemon answers; throws with the end of its log where it ended or takes too long.
    func waitUntilReady(_ host: String) async throws {
        let state = try LabState.load(paths)
        let machine = state.hosts[try state.hostIndex(host)]
        guard let daemon = machine.daemon else { throw LabError("\(host): the daemon does not run") }
        guard state.daemon.hasSocket else { return }
        let client = EngineClient(address: .unix(paths.socket(host)), apiVersion: nil)
        let deadline = ContinuousClock.now + Self.readyLimit
        while true {
            if Files.exists(paths.socket(host)), (try? await client.perform("GET", "/_ping").bytes()) != nil { return }
            guard daemon.isAlive else {
                throw LabError("\(host): the daemon ended\n\(Self.logTail(host, paths))")
            }
            guard ContinuousClock.now < deadline else {
                throw LabError(
                    "\(host): the daemon does not answer after \(Self.readyLimit)\n\(Self.logTail(host, paths))")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// The last lines of a daemon's log.
    static func logTail(_ host: String, _ paths: LabPaths) -> String {
        let text = (try? Files.text(paths.log(host))) ?? ""
        return text.split(separator: "\n").suffix(15).map { "  " + $0 }.joined(separator: "\n")
    }
}
