import Glibc
import LinuxSystem

/// What the host sees of a file: `UID:GID MODE`, the mode in octal; nil where there is none. Links are not followed.
func owner(_ path: String) -> String? {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    return "\(status.st_uid):\(status.st_gid) \(String(status.st_mode & 0o7777, radix: 8))"
}

/// Mounts a tmpfs of the host at `path`, which is made.
func mountTemporary(_ path: String, flags: Int = 0) throws {
    try Files.makeDirectories(path)
    try Mounts.mount("tmpfs", on: path, type: "tmpfs", flags: UInt(flags), data: "mode=755")
}

extension BundleFixture {
    /// A tmpfs of the host with a file `file`, and another in it at `sub`, with `deep`.
    func mountTree(_ flags: Int = 0, sub: Int = 0) throws -> String {
        let tree = directory.path("tree")
        try mountTemporary(tree, flags: flags)
        try Files.write(tree + "/file", "top\n")
        try mountTemporary(tree + "/sub", flags: sub)
        try Files.write(tree + "/sub/deep", "deep\n")
        return tree
    }
}

/// A line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
struct MountLine {
    let point: String
    let options: [String]
    /// `shared:N`, `master:N`, `unbindable`.
    let propagation: [String]
    let type: String
    let superOptions: [String]

    init?(_ line: String) {
        let fields = line.split(separator: " ").map(String.init)
        guard let dash = fields.firstIndex(of: "-"), dash >= 6, dash + 3 < fields.count else { return nil }
        point = fields[4]
        options = fields[5].split(separator: ",").map(String.init)
        propagation = Array(fields[6..<dash])
        type = fields[dash + 1]
        superOptions = fields[dash + 3].split(separator: ",").map(String.init)
    }

    /// The last mount at a place, of the mounts that a process sees.
    static func at(_ point: String, of process: pid_t) -> MountLine? {
        let text = (try? Files.text("/proc/\(process)/mountinfo")) ?? ""
        return text.split(separator: "\n").compactMap { MountLine(String($0)) }.last { $0.point == point }
    }

    /// The same, of what a container printed.
    static func at(_ point: String, in result: CommandResult) -> MountLine? {
        result.lines.compactMap { MountLine($0) }.last { $0.point == point }
    }
}
