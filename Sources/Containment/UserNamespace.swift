import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec

/// User namespaces and their mappings (user_namespaces(7)).
enum UserNamespace {
    /// A user namespace for mounts, which no process is in.
    static func make(uids: [IDMapping], gids: [IDMapping]) throws -> Descriptor {
        let pid = try checked("clone", on: "user namespace", cl_clone_process(UInt64(CL_CLONE_NEWUSER), -1, nil))
        if pid == 0 {
            _ = cl_prctl(1, UInt(SIGKILL), 0, 0, 0)
            while true { pause() }
        }
        defer {
            kill(pid, SIGKILL)
            _ = try? ChildProcess.wait(pid)
        }
        try map(pid, uids: uids, gids: gids, isPrivileged: true)
        return try Descriptor.open("/proc/\(pid)/ns/user", O_RDONLY)
    }

    /// Gives the new user namespace of a process its mappings. Without privileges Debian's `newuidmap` and `newgidmap`
    /// do it, which know the user's subordinate identifiers (subuid(5)).
    static func map(_ pid: pid_t, uids: [IDMapping], gids: [IDMapping], isPrivileged: Bool) throws {
        guard !isPrivileged else {
            try write(uids, "/proc/\(pid)/uid_map", "linux.uidMappings")
            try write(gids, "/proc/\(pid)/gid_map", "linux.gidMappings")
            return
        }
        if isOwn(uids, getuid()) {
            try write(uids, "/proc/\(pid)/uid_map", "linux.uidMappings")
        } else {
            try run("newuidmap", pid, uids, "linux.uidMappings")
        }
        if isOwn(gids, getgid()) {
            // Who could drop a group could pass by what is denied to it.
            try Files.set("/proc/\(pid)/setgroups", "deny")
            try write(gids, "/proc/\(pid)/gid_map", "linux.gidMappings")
        } else {
            try run("newgidmap", pid, gids, "linux.gidMappings")
        }
    }

    /// What a user may map without help: its own identifier alone.
    private static func isOwn(_ mappings: [IDMapping], _ id: UInt32) -> Bool {
        mappings.count == 1 && mappings[0].size == 1 && mappings[0].hostID == id
    }

    private static func write(_ mappings: [IDMapping], _ path: String, _ member: String) throws {
        let lines = mappings.map { "\($0.containerID) \($0.hostID) \($0.size)" }
        do {
            try Files.set(path, lines.joined(separator: "\n") + "\n")
        } catch {
            throw SetupError("\(member): the kernel refuses \(lines.joined(separator: ", ")): \(describe(error.errno))")
        }
    }

    private static func run(_ program: String, _ pid: pid_t, _ mappings: [IDMapping], _ member: String) throws {
        let words = mappings.flatMap { ["\($0.containerID)", "\($0.hostID)", "\($0.size)"] }
        guard let path = ["/usr/bin/", "/bin/", "/usr/local/bin/"].map({ $0 + program }).first(where: Files.exists)
        else {
            throw SetupError("\(member): \(program) is not installed; on Debian: apt-get install uidmap")
        }
        let null = try Descriptor.open("/dev/null", O_RDWR)
        let child = try ChildProcess.spawn(
            path, [program, "\(pid)"] + words, environment: [], descriptors: [null.rawValue, null.rawValue, 2])
        let code = try ChildProcess.wait(child)
        guard code == 0 else {
            throw SetupError("\(member): \(program) refuses \(words.joined(separator: " ")): see subuid(5)")
        }
    }
}
