import EngineClient
import Glibc
import LinuxSystem
import Values

/// A lab: hosts on this machine that are namespaces, each with a daemon of its own, on a shared underlay (docs/lab.md).
///
/// The value is a name; what is known of the lab is read from its state each time, so several programs may use one lab.
/// Every function throws `LabError` or `SystemError` and needs root.
public struct RunningLab: Sendable {
    /// The host name that stands for the underlay's own namespace.
    public static let underlayName = "underlay"
    /// The longest a daemon takes until its API answers.
    public static let readyLimit = Duration.seconds(60)
    /// The longest a daemon takes to end when asked.
    public static let stopLimit = Duration.seconds(60)

    public let name: String
    let paths: LabPaths

    /// Opens the lab `name`; throws where there is none.
    public init(name: String) throws {
        self.init(unchecked: name)
        _ = try LabState.load(paths)
    }

    init(unchecked name: String) {
        self.name = name
        paths = LabPaths(lab: name)
    }

    /// The lab `name`, or where it is nil the only one there is.
    public static func find(_ name: String?) throws -> RunningLab {
        if let name { return try RunningLab(name: name) }
        let all = list()
        guard let only = all.first else { throw LabError("there is no lab; make one with `martlet lab up -f FILE`") }
        guard all.count == 1 else {
            throw LabError(
                "several labs are up: \(all.map(\.name).joined(separator: ", ")); choose one with --lab NAME")
        }
        return only
    }

    /// The labs there are, half-made ones too, by name.
    public static func list() -> [RunningLab] {
        let names = (try? Files.list(LabPaths.runRoot)) ?? []
        return names.map(RunningLab.init(unchecked:)).filter { Files.exists($0.paths.state) }
    }

    /// The hosts as they are now, in the order of the lab's file.
    public func hosts() throws -> [LabHost] {
        let state = try LabState.load(paths)
        return state.hosts.indices.map { host($0, state) }
    }

    /// One host as it is now.
    public func host(_ name: String) throws -> LabHost {
        let state = try LabState.load(paths)
        return host(try state.hostIndex(name), state)
    }

    private func host(_ index: Int, _ state: LabState) -> LabHost {
        let machine = state.hosts[index]
        let configuration = state.configuration
        let addresses = configuration.underlay.addresses(ofHost: index, of: state.hosts.count)
        let isOn = machine.initProcess?.isAlive == true
        let daemon = isOn && machine.daemon?.isAlive == true ? machine.daemon : nil
        return LabHost(
            lab: name, name: machine.name, role: configuration.hosts[index].role, address: addresses.v4,
            address6: addresses.v6,
            status: !isOn ? .off : machine.isFrozen ? .frozen : daemon == nil ? .stopped : .running,
            socketPath: paths.socket(machine.name), daemonPID: daemon?.pid)
    }

    /// A client of the engine on a host.
    public func client(_ host: String) throws -> EngineClient {
        EngineClient(address: .unix(try self.host(host).socketPath))
    }

    /// The addresses of the underlay's own end.
    public func underlayAddresses() throws -> (v4: IPAddress, v6: IPAddress) {
        try LabState.load(paths).configuration.underlay.own
    }

    /// The end of a host's daemon log, at most `limit` bytes.
    public func log(_ host: String, limit: Int = 64 << 10) throws -> String {
        _ = try self.host(host)
        let path = paths.log(host)
        guard Files.exists(path) else { return "" }
        return String(decoding: try Files.read(path).suffix(limit), as: UTF8.self)
    }

    /// The path of a host's daemon log on this machine: it and `daemon.log.1` hold at most 8 MiB each.
    public func logPath(_ host: String) throws -> String {
        _ = try self.host(host)
        return paths.log(host)
    }

    /// The directory on this machine that a host has as /var/lib/martlet.
    public func dataPath(_ host: String) throws -> String {
        _ = try self.host(host)
        return paths.data(host)
    }

    // MARK: Running programs

    /// Runs a program on a host, or on the underlay, to its end and captures what it prints.
    ///
    /// - Parameters:
    ///   - environment: `NAME=value`; nil is this process's own.
    ///   - limit: after it the program is killed and the code is 137.
    public func exec(
        on host: String, _ command: [String], input: [UInt8] = [], environment: [String]? = nil,
        within limit: Duration = .seconds(60)
    ) async throws -> CapturedProcess {
        let (machine, namespaces) = try target(host)
        return try await LabThread.run {
            try LabProgram.run(
                in: machine, namespaces: namespaces, Self.checked(command), input: input, environment: environment,
                within: limit)
        }
    }

    /// Becomes a program on a host, or on the underlay, with this process's input and output. Returns only with an
    /// error.
    public func becomeProcess(on host: String, _ command: [String]) throws -> Never {
        let (machine, namespaces) = try target(host)
        var buffer = [CChar](repeating: 0, count: 4096)
        let directory = getcwd(&buffer, buffer.count).map { String(cString: $0) } ?? "/"
        try LabProgram.replaceSelf(
            in: machine, namespaces: namespaces, directory: directory, Self.checked(command))
    }

    private static func checked(_ command: [String]) throws -> [String] {
        guard let first = command.first, !first.isEmpty else { throw LabError("no command to run") }
        return command
    }

    static let hostNamespaces = "ciunpm"
    static let underlayNamespaces = "n"

    private func target(_ host: String) throws -> (MachineState, String) {
        let state = try LabState.load(paths)
        if host == Self.underlayName { return (state.underlay, Self.underlayNamespaces) }
        let machine = state.hosts[try state.hostIndex(host)]
        guard !machine.isFrozen else {
            throw LabError("\(host) is frozen; continue it with `martlet lab thaw \(host)`")
        }
        return (machine, Self.hostNamespaces)
    }

    // MARK: Changing a lab

    /// Reads the state, changes it and what it describes, and writes it, while no other command does.
    func change<Value: Sendable>(
        _ body: @escaping @Sendable (inout LabState) throws -> Value
    ) async throws -> Value {
        try await LabThread.run { [paths] in
            let lock = try LabLock(paths)
            defer { withExtendedLifetime(lock) {} }
            var state = try LabState.load(paths)
            guard state.phase == .up else {
                throw LabError("lab \(paths.lab) is half-made; take it down with `martlet lab down \(paths.lab)`")
            }
            let result = Result { try body(&state) }
            try state.save(paths)
            return try result.get()
        }
    }

    /// Cuts two hosts off from each other, both ways. Either may be `underlay`.
    public func cut(_ first: String, _ second: String) async throws {
        try await change { state in
            try Underlay(state: state).cut(try Self.index(first, state), try Self.index(second, state))
        }
    }

    /// Drops what one host sends to another; what comes back arrives.
    public func cut(from sender: String, to receiver: String) async throws {
        try await change { state in
            try Underlay(state: state).cut(from: try state.hostIndex(sender), to: try state.hostIndex(receiver))
        }
    }

    /// Ends the partition between two hosts, whichever way it is.
    public func mend(_ first: String, _ second: String) async throws {
        try await change { state in
            try Underlay(state: state).mend(try Self.index(first, state), try Self.index(second, state))
        }
    }

    /// Ends every partition.
    public func mend() async throws {
        try await change { try Underlay(state: $0).mendAll() }
    }

    private static func index(_ host: String, _ state: LabState) throws -> Int? {
        host == underlayName ? nil : try state.hostIndex(host)
    }

    /// Holds every process of a host where it is; its link stays up.
    public func freeze(_ host: String) async throws { try await setFrozen(host, true) }

    /// Continues a frozen host.
    public func thaw(_ host: String) async throws { try await setFrozen(host, false) }

    private func setFrozen(_ host: String, _ isFrozen: Bool) async throws {
        try await change { state in
            let index = try state.hostIndex(host)
            guard state.hosts[index].initProcess?.isAlive == true else { throw LabError("\(host) is off") }
            try HostGroups.setFrozen(state.hosts[index], isFrozen)
            state.hosts[index].isFrozen = isFrozen
        }
    }
}
