import CLinux
import JSON
import LinuxSystem
import RuntimeSpec

/// Handing a filter's notifications to who answers them.
public enum SeccompListener {
    /// Sends the descriptor and the process's state to the socket at `path` (`linux.seccomp.listenerPath`), in one
    /// message as far as the socket takes it, and closes the connection (config-linux.md: Seccomp).
    ///
    /// - Parameter listener: stays open here.
    public static func send(_ listener: borrowing Descriptor, of state: ContainerProcessState, to path: String) throws {
        let text = try JSONCoding.verbatim.encode(state)
        let connection = try UnixSocket.connect(path)
        try UnixSocket.send(connection.rawValue, text, descriptors: [listener.rawValue])
    }

    /// A descriptor of another process by its number there (pidfd_getfd(2)): the listener of a process whose filter may
    /// keep it from sending. It needs the right to trace that process, which is to wait before exec closes its own.
    public static func take(_ number: Int32, from pid: Int32) throws(SystemError) -> Descriptor {
        Descriptor(owning: try checked("pidfd_getfd", on: "\(pid) \(number)", cl_take_descriptor(pid, number)))
    }
}
