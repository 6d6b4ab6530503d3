import CLinux
import Containment
import Glibc
import LinuxSystem

/// Descriptors from 3 on that whoever called this program wants in the container; all others close with exec.
struct InheritedDescriptors {
    let count: Int
    /// What the container's process is told about them (sd_listen_fds(3)).
    let variables: [String]

    /// The most descriptors of a socket activation.
    private static let limit = 1024

    /// The program's own environment.
    static var environment: [String] {
        var result: [String] = []
        var pointer = environ
        while let entry = pointer.pointee {
            result.append(String(cString: entry))
            pointer += 1
        }
        return result
    }

    /// To be called before anything else is opened, and after the program has started itself again: until then files
    /// that the command line names by descriptor (`/dev/fd/63`) have to stay.
    ///
    /// - Parameters:
    ///   - preserved: how many `--preserve-fds` names, beside those of `LISTEN_FDS`.
    ///   - takesListening: whether the process is number 1, to which alone those of `LISTEN_FDS` can be given.
    static func prepare(preserved: Int, takesListening: Bool = true) throws -> InheritedDescriptors {
        var listening = 0
        var variables: [String] = []
        if takesListening, let text = getenv("LISTEN_FDS"), let number = Int(String(cString: text)), number > 0,
            getenv("LISTEN_PID").map({ String(cString: $0) == "\(getpid())" }) ?? true
        {
            guard number <= limit else { throw SetupError("LISTEN_FDS is more than \(limit)") }
            listening = number
            // The container's process is number 1 of its namespace.
            variables = ["LISTEN_FDS=\(number)", "LISTEN_PID=1"]
            if let names = getenv("LISTEN_FDNAMES") { variables.append("LISTEN_FDNAMES=" + String(cString: names)) }
        }
        let count = preserved + listening
        for descriptor in 3..<Int32(3 + count) where fcntl(descriptor, F_GETFD) < 0 {
            throw SetupError("descriptor \(descriptor) is to be preserved, but is not open")
        }
        guard Guard.descriptors.holds else { return InheritedDescriptors(count: count, variables: variables) }
        let closeOnExec: UInt32 = 4
        _ = cl_close_range(UInt32(3 + count), .max, closeOnExec)
        return InheritedDescriptors(count: count, variables: variables)
    }
}
