import CLinux
import Containment
import Glibc
import LinuxSystem
import RuntimeSpec

/// Readiness as sd_notify(3) tells it: the container gets a socket of its own, and what it says there goes on to the
/// one that this program was given in `NOTIFY_SOCKET`.
struct NotifySocket {
    /// The host's socket.
    private let target: String
    private let directory: String

    private static let inside = "/run/notify"
    private static let name = "notify.sock"
    /// The longest datagram that is taken, in bytes.
    private static let limit = 4096

    /// Nil where nobody wants to know.
    init?(_ store: StateStore, _ id: String) {
        guard let target = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), !target.isEmpty else { return nil }
        self.target = target
        directory = store.directory(id) + "/notify"
    }

    /// Makes the directory that the container sees, and tells the container of it.
    func prepare(_ configuration: inout RuntimeConfiguration) throws {
        try Files.makeDirectories(directory, mode: 0o755)
        let mount = RuntimeConfiguration.Mount(
            destination: Self.inside, type: "bind", source: directory,
            options: ["bind", "nosuid", "noexec", "nodev", "ro"])
        configuration.mounts = (configuration.mounts ?? []) + [mount]
        let variable = "NOTIFY_SOCKET=\(Self.inside)/\(Self.name)"
        let others = (configuration.process?.env ?? []).filter { !$0.hasPrefix("NOTIFY_SOCKET=") }
        configuration.process?.env = others + [variable]
    }

    /// Opens the container's socket; before its program is started.
    ///
    /// - Returns: nil for a container that was created without one.
    func open() throws -> Descriptor? {
        guard Files.isDirectory(directory) else { return nil }
        return Descriptor(owning: try checked("bind", on: directory, cl_datagram_bind("\(directory)/\(Self.name)")))
    }

    /// Waits until the container is ready, or has ended, and passes the word on with its first process's number.
    ///
    /// - Parameter process: a pidfd of that process.
    func relay(_ socket: borrowing Descriptor, _ pid: pid_t, _ process: borrowing Descriptor) throws {
        while true {
            var entries = [
                pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&entries, 2, -1) < 0, errno != EINTR { throw SystemError("poll", errno: errno) }
            if entries[0].revents != 0 {
                let text = String(decoding: try Bytes.read(socket.rawValue, upTo: Self.limit), as: UTF8.self)
                guard let ready = text.split(separator: "\n").first(where: { $0.hasPrefix("READY=") }) else { continue }
                for line in ["\(ready)\n", "MAINPID=\(pid)\n"] {
                    let bytes = Array(line.utf8)
                    try checked("send", on: target, cl_datagram_send(target, bytes, bytes.count))
                }
                return
            }
            if entries[1].revents != 0 { return }
        }
    }

    /// The same beside this program, which goes on: in a process that ends with it.
    func relayBeside(_ socket: consuming Descriptor, _ pid: pid_t, _ process: consuming Descriptor) throws {
        let child = try checked("fork", cl_fork())
        guard child == 0 else { return }
        _ = cl_prctl(1, UInt(SIGKILL), 0, 0, 0)
        try? relay(socket, pid, process)
        _exit(0)
    }
}
