import CLinux
import Glibc
import LinuxSystem
import Seccomp

/// The words between a runtime and a process that it is setting up, one message each. The child's end is closed by
/// exec: that is how the runtime sees that it succeeded.
public struct SyncChannel: ~Copyable {
    public enum Message {
        /// An intermediate process has cloned the container's first one.
        case cloned(pid_t)
        /// The child is in a new user namespace and waits for its mappings.
        case needsMappings
        /// To the child: its network namespace.
        case network(Int32)
        /// To the child: its control group is there, by these files and directories.
        case group(entrances: [Int32], sources: [Handover.Source])
        /// The child has its mounts and waits for the runtime's hooks.
        case mounted
        /// To the child: go on. Its number in the runtime's PID namespace.
        case go(pid: pid_t)
        /// The child waits to be started; beside it the master of its terminal, where it has one.
        case ready(terminal: Int32?)
        /// To the child: become the program, with this filter of its system calls.
        case proceed(pid: pid_t, filter: SeccompFilter?)
        /// The filter is in force and this descriptor of the child is to get to its listener; the child waits.
        case listening(descriptor: Int32)
        case failure(SetupError)
        /// The other end is closed.
        case end
    }

    public let descriptor: Descriptor

    public static func pair() throws(SystemError) -> (Int32, Int32) {
        var ends: [Int32] = [0, 0]
        try checked("socketpair", cl_socketpair_packets(&ends))
        return (ends[0], ends[1])
    }

    /// The channel by a descriptor of its own, so that it can be let go of while the other stays.
    public init(sharing descriptor: Int32) throws(SystemError) {
        self.descriptor = try MountTree.reopen(descriptor)
    }

    public init(owning descriptor: Int32) { self.descriptor = Descriptor(owning: descriptor) }

    public func send(_ message: Message) throws(SystemError) {
        switch message {
        case .cloned(let pid): try send(0x43, Self.bytes(pid))
        case .needsMappings: try send(0x55)
        case .network(let descriptor): try send(0x4e, descriptors: [descriptor])
        case .group(let entrances, let sources):
            var bytes = [UInt8(truncatingIfNeeded: entrances.count)]
            for (index, source) in sources.enumerated() {
                if index > 0 { bytes.append(0x0a) }
                bytes += source.name.utf8
            }
            try send(0x44, bytes, descriptors: entrances + sources.map(\.tree))
        case .mounted: try send(0x4d)
        case .go(let pid): try send(0x48, Self.bytes(pid))
        case .ready(let terminal): try send(0x52, descriptors: terminal.map { [$0] } ?? [])
        case .proceed(let pid, let filter): try send(0x47, Self.bytes(pid) + (filter?.bytes ?? []))
        case .listening(let descriptor): try send(0x4c, Self.bytes(descriptor))
        case .failure(let error):
            try send(0x45, [UInt8(truncatingIfNeeded: error.code)] + Array(error.reason.utf8.prefix(4096)))
        case .end: break
        }
    }

    /// One byte, by write(2) alone: after a filter is in force little else may be allowed.
    public func sendListening(_ number: Int32) throws(SystemError) {
        try Bytes.writeAll(descriptor.rawValue, [0x4c] + Self.bytes(number))
    }

    /// Waits for any word, by read(2) alone.
    ///
    /// - Throws: where the other end closes without one.
    public func awaitAnswer() throws(SystemError) {
        guard try !Bytes.read(descriptor.rawValue, upTo: 1).isEmpty else {
            throw SystemError("wait for the runtime's word", errno: ECONNRESET)
        }
    }

    private func send(_ kind: UInt8, _ bytes: [UInt8] = [], descriptors: [Int32] = []) throws(SystemError) {
        try UnixSocket.send(descriptor.rawValue, [kind] + bytes, descriptors: descriptors)
    }

    public func receive() throws(SystemError) -> Message { try Self.receive(on: descriptor.rawValue) }

    static func receive(on channel: Int32) throws(SystemError) -> Message {
        let bytes: [UInt8]
        let descriptors: [Int32]
        do {
            (bytes, descriptors) = try receiveMessage(on: channel)
        } catch  where error.errno == ECONNRESET {
            // The other end has ended without having read everything; what it said before is still here (unix(7)).
            (bytes, descriptors) = try receiveMessage(on: channel)
        }
        let rest = Array(bytes.dropFirst())
        switch bytes.first {
        case 0x43: return .cloned(Self.number(rest))
        case 0x55: return .needsMappings
        case 0x4e where descriptors.count == 1: return .network(descriptors[0])
        case 0x44 where !rest.isEmpty && descriptors.count >= rest[0]:
            let count = Int(rest[0])
            let names = rest.dropFirst().split(separator: 0x0a).map { String(decoding: $0, as: UTF8.self) }
            guard descriptors.count - count == names.count else { return .end }
            return .group(
                entrances: Array(descriptors[..<count]),
                sources: zip(names, descriptors[count...]).map { Handover.Source(name: $0, tree: $1) })
        case 0x4d: return .mounted
        case 0x48: return .go(pid: Self.number(rest))
        case 0x52: return .ready(terminal: descriptors.first)
        case 0x47:
            let filter = Array(rest.dropFirst(4))
            if filter.isEmpty { return .proceed(pid: Self.number(rest), filter: nil) }
            // A filter that cannot be read is not the same as none.
            return SeccompFilter(bytes: filter).map { .proceed(pid: Self.number(rest), filter: $0) } ?? .end
        case 0x4c: return .listening(descriptor: Self.number(rest))
        case 0x45 where rest.count >= 1:
            return .failure(SetupError(String(decoding: rest.dropFirst(), as: UTF8.self), code: Int32(rest[0])))
        default: return .end
        }
    }

    private static func receiveMessage(
        on channel: Int32
    ) throws(SystemError) -> (bytes: [UInt8], descriptors: [Int32]) {
        // The largest message is a filter.
        try UnixSocket.receive(channel, upTo: SeccompFilter.byteLimit + 5)
    }

    private static func bytes(_ number: Int32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    private static func number(_ bytes: [UInt8]) -> Int32 { bytes.prefix(4).reduce(0) { $0 << 8 | Int32($1) } }
}
