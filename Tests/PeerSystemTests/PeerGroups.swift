import Glibc
import LinuxSystem
import TestSupport

/// The cgroups of an engine's containers: one parent group in each hierarchy, made by the engine and removed here.
struct PeerGroups: Sendable {
    /// The parent's name: unique on this machine.
    let name: String

    init(_ purpose: String) { name = "martlet-peer-\(getpid())-\(purpose)" }

    /// The first word of a file in the group of a process.
    ///
    /// - Parameters:
    ///   - old: the file with its controller in front where that has a hierarchy of cgroup v1: `memory.limit_in_bytes`.
    ///   - new: the file of cgroup v2.
    static func value(of pid: pid_t, _ old: String, orElse new: String) throws -> String {
        let controller = old.prefix { $0 != "." }
        var unified: String?
        for line in try Files.text("/proc/\(pid)/cgroup").split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            if fields[1].split(separator: ",").contains(controller), let mount = hierarchies[String(controller)] {
                return try firstWord(mount + fields[2] + "/" + old)
            }
            if fields[0] == "0", let mount = hierarchies[""] { unified = mount + fields[2] }
        }
        guard let unified else { throw PeerFailure("process \(pid) is in no group that has \(old)") }
        return try firstWord(unified + "/" + new)
    }

    /// Groups of containers that are left, below the parent in all hierarchies.
    func left() -> [String] {
        parents.flatMap { parent in
            // conmon's own group stays as long as its parent, whatever the runtime does.
            Self.children(parent).filter { $0 != "conmon" }.map { parent + "/" + $0 }
        }
    }

    /// Removes a group below the parent where nothing is in it but conmon's.
    func removeEmpty(_ group: String) {
        for parent in parents {
            rmdir(parent + "/" + group + "/conmon")
            rmdir(parent + "/" + group)
        }
    }

    /// Kills what is still in the groups and removes them.
    func remove() async {
        for parent in parents {
            try? await waitUntil("\(parent) is removed") { Self.remove(parent) }
        }
    }

    /// The parent's directory in each hierarchy that has it, also below this process's own group.
    private var parents: [String] {
        let own = ((try? Files.text("/proc/self/cgroup")) ?? "").split(separator: "\n")
            .map { String($0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)[2]) }
        return Set(Self.hierarchies.values).sorted().flatMap { mount in
            Set(own + ["/"]).map { mount + ($0 == "/" ? "" : $0) + "/" + name }.filter(Files.isDirectory)
        }
    }

    private static func remove(_ group: String) -> Bool {
        try? Files.set(group + "/freezer.state", "THAWED")
        try? Files.set(group + "/cgroup.freeze", "0")
        for pid in ((try? Files.text(group + "/cgroup.procs")) ?? "").split(separator: "\n") {
            if let pid = pid_t(pid) { kill(pid, SIGKILL) }
        }
        let isEmpty = children(group).map { remove(group + "/" + $0) }.allSatisfy { $0 }
        return isEmpty && (rmdir(group) == 0 || errno == ENOENT)
    }

    private static func children(_ group: String) -> [String] {
        ((try? Files.list(group)) ?? []).filter { Files.isDirectory(group + "/" + $0) }
    }

    private static func firstWord(_ path: String) throws -> String {
        String(try Files.text(path).prefix { !$0.isWhitespace })
    }

    /// Mount points by controller; the one of cgroup v2 by an empty name.
    private static let hierarchies: [String: String] = {
        var result: [String: String] = [:]
        for line in ((try? Files.text("/proc/self/mounts")) ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ").map(String.init)
            guard fields.count > 3 else { continue }
            if fields[2] == "cgroup2" { result[""] = fields[1] }
            if fields[2] == "cgroup" {
                for option in fields[3].split(separator: ",") { result[String(option)] = fields[1] }
            }
        }
        return result
    }()
}
