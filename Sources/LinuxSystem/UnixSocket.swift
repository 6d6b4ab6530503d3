import CLinux
import Glibc

/// Stream sockets at paths, which carry descriptors too (unix(7)).
public enum UnixSocket {
    /// The most descriptors in one message.
    public static let descriptorLimit = Int(CL_DESCRIPTOR_LIMIT)

    /// Listens at `path`; a socket left over there is replaced.
    public static func listen(_ path: String, backlog: Int32 = 128, mode: UInt32 = 0o600) throws(SystemError)
        -> Descriptor
    {
        Descriptor(owning: try checked("listen", on: path, cl_unix_listen(path, backlog, mode)))
    }

    public static func connect(_ path: String) throws(SystemError) -> Descriptor {
        Descriptor(owning: try checked("connect", on: path, cl_unix_connect(path)))
    }

    /// Whether somebody has the socket at `path` open that was bound there; who listens notices nothing. False where
    /// there is none.
    public static func isBound(_ path: String) throws(SystemError) -> Bool {
        try checked("probe", on: path, cl_unix_is_bound(path)) == 1
    }

    public static func accept(_ listener: Int32) throws(SystemError) -> Descriptor {
        Descriptor(owning: try checked("accept", cl_accept(listener)))
    }

    public static func pair() throws(SystemError) -> (Int32, Int32) {
        var ends: [Int32] = [0, 0]
        try checked("socketpair", cl_socketpair(&ends))
        return (ends[0], ends[1])
    }

    /// Sends one message of at least one byte with descriptors beside it; they stay open here.
    public static func send(_ socket: Int32, _ bytes: [UInt8], descriptors: [Int32]) throws(SystemError) {
        let sent = try checked(
            "sendmsg", cl_send_descriptors(socket, bytes, bytes.count, descriptors, Int32(descriptors.count)))
        if sent < bytes.count { try Bytes.writeAll(socket, Array(bytes[sent...])) }
    }

    /// Receives up to `count` bytes and the descriptors beside them; no bytes at the end.
    public static func receive(_ socket: Int32, upTo count: Int) throws(SystemError) -> (
        bytes: [UInt8], descriptors: [Int32]
    ) {
        var descriptors = [Int32](repeating: -1, count: descriptorLimit)
        var number: Int32 = 0
        var result = 0
        // What the message does not fill is never touched.
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, received in
            result = cl_receive_descriptors(socket, buffer.baseAddress, count, &descriptors, &number)
            received = max(0, result)
        }
        try checked("recvmsg", result)
        return (bytes, Array(descriptors[..<Int(number)]))
    }
}
