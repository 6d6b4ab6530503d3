import CLinux
import Cgroups
import Containment
import Glibc
import LinuxSystem
import RuntimeSpec

/// `kill`: a signal to the first process, or to all (runtime.md: Kill).
struct KillCommand {
    private let context: RuntimeContext
    private let id: String

    init(_ context: RuntimeContext, _ id: String) {
        self.context = context
        self.id = id
    }

    func kill(_ name: String, all: Bool) throws {
        guard let signal = SignalName.number(name) else { throw SetupError("unknown signal \"\(name)\"") }
        let container = try context.container(id)
        guard !all else { return Self.signalAll(container, signal) }
        guard container.isAlive else { throw SetupError("container not running: \(id)") }
        let process = try container.openProcess()
        let sent = cl_pidfd_send_signal(process.rawValue, signal)
        guard sent != -ESRCH else { throw SetupError("container not running: \(id)") }
        try checked("kill", on: id, sent)
        let hasOwnProcesses = container.record.configuration.linux?.choice(.pid) == .new
        if signal == SIGKILL, !hasOwnProcesses { Self.signalAll(container, signal) }
        // A process that v1's freezer holds dies when it is thawed.
        if signal == SIGKILL, container.group.isFrozen { try? container.group.setFrozen(false) }
    }

    private static func signalAll(_ container: StoredContainer, _ signal: Int32) {
        if signal == SIGKILL, !container.group.directories.isEmpty { return container.group.killAll() }
        for pid in container.processes() { Glibc.kill(pid, signal) }
    }
}

/// Signals by name and number (signal(7)).
enum SignalName {
    private static let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ]
    private static let firstOfRealTime: Int32 = 34
    private static let last: Int32 = 64

    /// `9`, `KILL`, `SIGKILL`, `RTMIN+3`, and 0, which only asks (kill(2)); nil for what is none.
    static func number(_ text: String) -> Int32? {
        if let number = Int32(text) { return (0...last).contains(number) ? number : nil }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        if let index = names.firstIndex(of: name) { return Int32(index + 1) }
        let others: [String: Int32] = ["IOT": 6, "CLD": 17, "POLL": 29, "RTMIN": firstOfRealTime, "RTMAX": last]
        if let number = others[name] { return number }
        for (base, number, sign) in [("RTMIN+", firstOfRealTime, Int32(1)), ("RTMAX-", last, -1)] {
            guard name.hasPrefix(base), let offset = Int32(name.dropFirst(base.count)), (0...30).contains(offset) else {
                continue
            }
            return number + sign * offset
        }
        return nil
    }
}
