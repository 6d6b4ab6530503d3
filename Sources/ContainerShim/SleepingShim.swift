import Containment
import Glibc
import JSON
import RuntimeProtocol

/// All that a shim takes along when it sleeps: it executes its own program, which waits without libc and Swift
/// (`CGuardedStart`) and then executes itself again as the shim that this describes.
///
/// Directories and other options are the command line's. The file is read by the program that wrote it.
struct SleepingShim: Hashable, Codable {
    static let currentVersion = 1
    /// Bytes of the text at most: two lines without an end, and a few hundred clients.
    static let limit = 1 << 18
    /// Descriptors that it can be woken by at most, as `CGuardedStart` has room for them.
    static let watchLimit = 280

    /// One of the container's streams, or its terminal's output.
    struct Output: Hashable, Codable {
        /// As in `ShimFrame`.
        var kind: UInt8
        var descriptor: Int32
    }

    var version = currentVersion
    var container: ContainerFacts
    var cgroups: [CgroupDirectory]
    /// The first process, a child of this one.
    var pid: Int32
    var pidfd: Int32
    /// The run directory's lock.
    var lock: Int32
    /// Reports the ends of children (signalfd(2)).
    var signals: Int32
    var listener: Int32
    /// The container's, which keeps its mounts.
    var mountNamespace: Int32?
    var outputs: [Output]
    var input: Int32?
    var terminal: Int32?
    var log: Int32?
    /// What the log has no entry of yet, by stream.
    var unfinishedOutput: [UInt8]
    var unfinishedErrorOutput: [UInt8]
    /// Connections of clients that wait for the container's end.
    var waiters: [Int32]

    /// Every descriptor that stays open.
    var descriptors: [Int32] {
        [pidfd, lock, signals, listener] + [mountNamespace, input, terminal, log].compactMap { $0 }
            + outputs.map(\.descriptor) + waiters
    }

    /// What wakes it: `r` and the descriptors that there is something to read from, `h` and those whose other end may
    /// go. Nil where there are too many.
    var watches: String? {
        let readable = [signals, listener] + outputs.map(\.descriptor)
        guard readable.count + waiters.count <= Self.watchLimit else { return nil }
        return (readable.map { "r\($0)" } + waiters.map { "h\($0)" }).joined(separator: ",")
    }

    /// The command line of the sleep. The program goes on as the shim by leaving out what comes before `--resume`.
    ///
    /// - Parameters:
    ///   - program: its own file.
    ///   - state: the file with this text.
    ///   - options: of the shim.
    /// - Returns: nil where it cannot be woken by all that it would have to.
    func arguments(program: Int32, state: Int32, options: [String]) -> [String]? {
        watches.map {
            ["martlet-runtime", "shim", "--asleep", "\(program)", $0, "--resume", "\(state)"] + options
        }
    }

    func encoded() throws -> [UInt8] { try JSONCoding.encode(self) }

    /// Throws where the text is not one that this program writes.
    static func decode(_ text: [UInt8]) throws -> SleepingShim {
        let version = try JSONCoding.decode(WrittenVersion.self, from: text).version
        guard version == currentVersion else {
            throw SetupError("the state has version \(version), this program reads \(currentVersion)")
        }
        let state = try JSONCoding.decode(SleepingShim.self, from: text)
        let descriptors = state.descriptors
        guard descriptors.allSatisfy({ $0 > 2 }), Set(descriptors).count == descriptors.count, state.pid > 1 else {
            throw SetupError("the state's numbers are impossible")
        }
        return state
    }
}
