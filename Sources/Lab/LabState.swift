import Glibc
import JSON
import LinuxSystem
import Values

/// A process by its number and the time it started: a number that was given out again is not taken for it.
struct ProcessMark: Hashable, Sendable, Codable {
    let pid: Int32
    /// Clock ticks after the machine's boot (proc_pid_stat(5), field 22).
    let startTicks: UInt64

    /// Nil where no such process lives.
    init?(living pid: Int32) {
        guard let (ticks, state) = Self.read(pid), state != "Z", state != "X" else { return nil }
        self.pid = pid
        startTicks = ticks
    }

    var isAlive: Bool {
        guard let (ticks, state) = Self.read(pid) else { return false }
        return ticks == startTicks && state != "Z" && state != "X"
    }

    private static func read(_ pid: Int32) -> (UInt64, Substring)? {
        guard let text = try? Files.text("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let ticks = UInt64(fields[19]) else { return nil }
        return (ticks, fields[0])
    }
}

/// What is known of a host or of the underlay. It is written before anything of it is made.
struct MachineState: Hashable, Sendable, Codable {
    var name: String
    /// Its control group's directory in each hierarchy.
    var groups: [String]
    /// The files that a process of it is written into.
    var processFiles: [String]
    /// The first process of its namespaces; nil while it is off.
    var initProcess: ProcessMark?
    var daemon: ProcessMark?
    var isFrozen = false
    /// What its daemon has in its environment beside the usual, as `NAME=value`.
    var daemonEnvironment: [String] = []
}

/// A process that carries a port of the machine's loopback into a lab.
struct ForwardState: Hashable, Sendable, Codable {
    var localPort: Int
    var port: Int
    var process: ProcessMark
}

/// Everything that is needed to take a lab down, whatever happened to the command that made it.
struct LabState: Hashable, Sendable, Codable {
    enum Phase: String, Hashable, Sendable, Codable {
        case making, up, goingDown
    }

    var phase: Phase
    var configuration: LabConfiguration
    /// What runs on each host, as seen there.
    var daemon: LabDaemon
    /// The directory of the hosts' programs, shown at /run/lab/bin in each.
    var programs: String
    /// The lab's control group in each hierarchy.
    var groups: [String]
    var underlay: MachineState
    var hosts: [MachineState]
    var forwards: [ForwardState] = []

    func hostIndex(_ name: String) throws(LabError) -> Int {
        guard let index = hosts.firstIndex(where: { $0.name == name }) else {
            let names = hosts.map(\.name).joined(separator: ", ")
            throw LabError("lab \(configuration.name) has no host \"\(name)\"; it has \(names)")
        }
        return index
    }

    /// The interface of a host's link in the underlay: at most 15 characters (IFNAMSIZ).
    func port(ofHost index: Int) -> String {
        let name = "p-" + hosts[index].name
        return name.utf8.count <= 15 ? name : "p\(index)-" + hosts[index].name.prefix(11)
    }

    static func load(_ paths: LabPaths) throws -> LabState {
        guard Files.exists(paths.state) else {
            throw LabError("there is no lab \"\(paths.lab)\"; `martlet lab ls` shows those there are")
        }
        return try JSONCoding.decode(LabState.self, from: Files.read(paths.state))
    }

    /// Replaces the file in one step. It need not outlive the machine, which takes the lab with it.
    func save(_ paths: LabPaths) throws {
        let temporary = paths.state + ".tmp"
        try Files.write(temporary, JSONCoding.encode(self), mode: 0o600)
        try syscall("rename", on: paths.state) { rename(temporary, paths.state) }
    }
}

/// The program that runs on each host of a lab.
struct LabDaemon: Hashable, Sendable, Codable {
    /// The command and its arguments as seen on the host; `{name}` stands for the host's name.
    var command: [String]
    /// True where it answers on the API socket when it is ready.
    var hasSocket: Bool

    /// Martlet's own.
    static let martletd = LabDaemon(
        command: ["/run/lab/bin/martletd", "--name", "{name}", "--log-level", "info"], hasSocket: true)

    func command(on host: String) -> [String] { command.map { $0.replacing("{name}", with: host) } }
}
