import Containment
import LinuxSystem

/// Handing a descriptor on through a socket at a path, beside a word of runc's.
enum DescriptorSocket {
    /// The master of a terminal.
    static func sendTerminal(_ master: Int32, to path: String) throws {
        try send(master, "/dev/ptmx", to: path, "console socket")
    }

    /// A pidfd.
    ///
    /// - Parameter isFirst: whether it is of a container's first process.
    static func sendProcess(_ pidfd: Int32, isFirst: Bool, to path: String) throws {
        try send(pidfd, isFirst ? "standard" : "setns", to: path, "pidfd socket")
    }

    private static func send(_ descriptor: Int32, _ word: String, to path: String, _ kind: String) throws {
        do {
            let connection = try UnixSocket.connect(path)
            try UnixSocket.send(connection.rawValue, Array(word.utf8), descriptors: [descriptor])
        } catch {
            throw SetupError("\(kind) \(path): \(describe(error.errno))")
        }
    }
}
