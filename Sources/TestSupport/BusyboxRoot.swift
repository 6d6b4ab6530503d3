import Glibc
import LinuxSystem

/// A root file system with busybox under the names of its programs, and users of a machine of its own.
public enum BusyboxRoot {
    /// Where Debian's busybox-static lies.
    public static let program = "/bin/busybox"
    public static let isPossible = access(program, X_OK) == 0

    private static let names = [
        "awk", "cat", "chmod", "chown", "chrt", "cp", "cut", "date", "dd", "dmesg", "echo", "env", "false", "grep",
        "head", "hostname", "id", "ionice", "ip", "kill", "ln", "ls", "mkdir", "mknod", "mount", "nice", "nproc",
        "printf", "ps", "pwd", "readlink", "rm", "rmdir", "sed", "seq", "sh", "sleep", "stat", "stty", "tail",
        "taskset", "test", "timeout", "touch", "tr", "true", "tty", "ulimit", "umount", "uname", "unshare", "usleep",
        "wc", "yes",
    ]

    /// Makes it at `path`, or what is missing of it.
    ///
    /// - Parameters:
    ///   - directories: beside `/bin`, `/etc` and `/tmp`.
    ///   - users: `/etc/passwd` after root's line.
    ///   - groups: `/etc/group` after root's line; nil leaves the file out.
    public static func make(
        _ path: String, directories: [String] = [], users: String = "", groups: String? = nil
    ) throws {
        for name in ["/bin", "/etc", "/tmp"] + directories { try Files.makeDirectories(path + name) }
        chmod(path + "/tmp", 0o1777)
        if !Files.exists(path + "/bin/busybox") {
            try Files.write(path + "/bin/busybox", Files.read(program), mode: 0o755)
            for name in names { symlink("busybox", path + "/bin/" + name) }
        }
        try Files.write(path + "/etc/passwd", "root:x:0:0::/root:/bin/sh\n" + users)
        if let groups { try Files.write(path + "/etc/group", "root:x:0:\n" + groups) }
    }
}
