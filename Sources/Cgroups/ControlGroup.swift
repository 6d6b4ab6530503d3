import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol

/// A group of processes in every mounted hierarchy (cgroups(7)).
public struct ControlGroup: Hashable, Sendable {
    /// The group's directory in each hierarchy.
    public let directories: [CgroupDirectory]

    public init(directories: [CgroupDirectory]) { self.directories = directories }

    /// The group in v2, or in v1 alone.
    public func part(isUnified: Bool) -> ControlGroup {
        ControlGroup(directories: directories.filter { $0.isUnified == isUnified })
    }

    /// The directory that limits `controller`; nil where it is not mounted.
    public func path(_ controller: String) -> String? {
        directories.first { $0.controllers.contains(controller) }?.path
    }

    /// The directory in the v2 hierarchy.
    public var unifiedPath: String? { directories.first(where: \.isUnified)?.path }

    /// Makes the group and those above it up to the one that this process stands in.
    public func create() throws(SystemError) {
        var made: [String] = []
        for directory in directories { try Self.make(directory, made: &made) }
    }

    /// Moves a process into the group.
    public func add(_ pid: pid_t) throws(SystemError) {
        for directory in directories { try Files.set(directory.path + "/cgroup.procs", "\(pid)") }
    }

    /// Moves this process, which has one thread, into the group: a thread that moves itself needs no lock that waits
    /// for the whole machine. `exceptUnified` leaves out v2, where it began in the group (CLONE_INTO_CGROUP).
    public func join(exceptUnified: Bool) throws(SystemError) {
        for directory in directories {
            if directory.isUnified {
                if !exceptUnified { try Files.set(directory.path + "/cgroup.procs", "0") }
            } else {
                try Files.set(directory.path + "/tasks", "0")
            }
        }
    }

    /// The group's own processes, without those of groups below it.
    public func processes() -> [pid_t] {
        guard let path = path("pids") ?? path("freezer") ?? unifiedPath ?? directories.first?.path,
            let text = try? Files.text(path + "/cgroup.procs")
        else { return [] }
        return text.split(separator: "\n").compactMap { pid_t($0) }
    }

    /// Kills every process of the group and of those below it, by the kernel's own kill where it has one, and lets
    /// frozen ones die.
    public func killAll() {
        if let unifiedPath { try? Files.set(unifiedPath + "/cgroup.kill", "1") }
        for pid in processes(recursive: true) { kill(pid, SIGKILL) }
        // A process that v1's freezer holds dies when it is thawed, one of v2's at once.
        thawLegacy()
    }

    /// How often the kernel killed a process of the group for want of memory.
    public func oomKills() -> Int64 {
        if let path = path("memory") { return Self.field("oom_kill", in: path + "/memory.oom_control") }
        if let path = unifiedPath { return Self.field("oom_kill", in: path + "/memory.events") }
        return 0
    }

    static func field(_ name: String, in file: String) -> Int64 { fields(of: file)[name] ?? 0 }

    /// The lines `name number` of a file; none where it is not there.
    static func fields(of file: String) -> [String: Int64] {
        guard let text = try? Files.text(file) else { return [:] }
        var result: [String: Int64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, let number = Int64(words[1]) { result[String(words[0])] = number }
        }
        return result
    }

    static func number(_ file: String) -> Int64? {
        guard let text = try? Files.text(file) else { return nil }
        return Int64(text.prefix { !$0.isWhitespace })
    }
}
