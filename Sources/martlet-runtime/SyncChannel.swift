import CLinux
import Glibc
import LinuxSystem
import Seccomp

/// The words between a shim and a process that it is setting up, one message each. The child's end is closed by exec:
/// that is how the shim sees that it succeeded.
struct SyncChannel: ~Copyable {
    enum Message {
        /// The child has its mounts; beside it the master of its terminal, where it has one.
        case ready(terminal: Int32?)
        /// To the child: go on, with this filter of its system calls.
        case proceed(filter: SeccompFilter?)
        case failure(SetupError)
        /// The other end is closed.
        case end
    }

    let descriptor: Descriptor

    static func pair() throws(SystemError) -> (Int32, Int32) {
        var ends: [Int32] = [0, 0]
        try checked("socketpair", cl_socketpair_packets(&ends))
        return (ends[0], ends[1])
    }

    /// The channel by a descriptor of its own, so that it can be let go of while the other stays.
    init(sharing descriptor: Int32) throws(SystemError) {
        self.descriptor = try MountTree.reopen(descriptor)
    }

    init(owning descriptor: Int32) { self.descriptor = Descriptor(owning: descriptor) }

    func send(_ message: Message) throws(SystemError) {
        switch message {
        case .ready(let terminal):
            try UnixSocket.send(descriptor.rawValue, [0x52], descriptors: terminal.map { [$0] } ?? [])
        case .proceed(let filter):
            try UnixSocket.send(descriptor.rawValue, [0x47] + (filter?.bytes ?? []), descriptors: [])
        case .failure(let error):
            let text = Array(error.reason.utf8.prefix(4096))
            try UnixSocket.send(
                descriptor.rawValue, [0x45, UInt8(truncatingIfNeeded: error.code)] + text, descriptors: [])
        case .end: break
        }
    }

    func receive() throws(SystemError) -> Message {
        // The largest message is a filter.
        let (bytes, descriptors) = try UnixSocket.receive(descriptor.rawValue, upTo: SeccompFilter.byteLimit + 1)
        switch bytes.first {
        case 0x52: return .ready(terminal: descriptors.first)
        case 0x47: return .proceed(filter: SeccompFilter(bytes: Array(bytes.dropFirst())))
        case 0x45 where bytes.count >= 2:
            return .failure(SetupError(String(decoding: bytes.dropFirst(2), as: UTF8.self), code: Int32(bytes[1])))
        default: return .end
        }
    }
}
