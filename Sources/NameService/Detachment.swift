import CLinux
import Glibc
import LinuxSystem

/// Running a server as a process that nobody waits for.
public enum Detachment {
    /// RLIMIT_NOFILE (getrlimit(2)).
    private static let descriptorLimit: Int32 = 7

    /// Makes a server and runs it to its end. Unless in the foreground, in a child: this process ends with code 0 as
    /// soon as the server is made, and with 1 where that fails.
    ///
    /// Only for a program that has one thread still.
    public static func run(isForeground: Bool, _ make: () throws -> NameServer) throws {
        if isForeground {
            try make().run()
            return
        }
        let ready = try Descriptor.pipe()
        let child = try checked("fork", cl_fork())
        if child > 0 {
            close(ready.write)
            let word = (try? Bytes.read(ready.read, upTo: 1)) ?? []
            exit(word.isEmpty ? 1 : 0)
        }
        close(ready.read)
        let server = try make()
        // No file system is pinned that its starter stood in; and each sandbox takes two descriptors.
        chdir("/")
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        if cl_getrlimit(Self.descriptorLimit, &soft, &hard) == 0 { _ = cl_setrlimit(Self.descriptorLimit, hard, hard) }
        try Bytes.writeAll(ready.write, [1])
        close(ready.write)
        try server.run()
    }
}
