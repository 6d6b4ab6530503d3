import Glibc
import LinuxSystem

/// A conversation with one subsystem of the kernel, in the namespace in which the socket was opened.
///
/// Not safe for use by several threads at once: its owner takes care.
public final class NetlinkSocket {
    /// Protocol numbers of netlink(7).
    public enum Subsystem: Int32, Sendable {
        case route = 0
        case netfilter = 12
    }

    /// One message: its type and what follows the header.
    public struct Message {
        public var type: UInt16
        public var flags: UInt16
        public var body: [UInt8]

        public init(type: UInt16, flags: UInt16, body: [UInt8]) {
            self.type = type
            self.flags = flags
            self.body = body
        }
    }

    /// NLM_F_* of netlink(7).
    public enum Flags {
        public static let request: UInt16 = 1
        public static let acknowledge: UInt16 = 4
        public static let interrupted: UInt16 = 0x10
        public static let replace: UInt16 = 0x100
        public static let exclusive: UInt16 = 0x200
        public static let create: UInt16 = 0x400
        public static let append: UInt16 = 0x800
        /// Everything there is.
        public static let dump: UInt16 = 0x300
    }

    /// The kernel's buffers in bytes: the longest transaction, and its answers.
    static let sendBuffer: Int32 = 32 << 20
    static let receiveBuffer: Int32 = 8 << 20
    /// How often a listing that changed meanwhile is asked for again.
    static let dumpAttempts = 10

    private let descriptor: Int32
    private var sequence: UInt32 = 0
    private let closesAside: Bool
    /// The most that the kernel puts into one piece of a listing is 32 KiB.
    private static let pieceLimit = 1 << 17

    /// Takes over a socket made by `open`.
    public init(owning descriptor: Int32, _ subsystem: Subsystem) {
        self.descriptor = descriptor
        closesAside = subsystem == .netfilter
    }

    /// Closing a packet filter's socket waits until the kernel has put away what the last transaction removed, 10 ms
    /// and more (nft_rcv_nl_event): a thread of its own waits.
    deinit {
        guard closesAside else {
            close(descriptor)
            return
        }
        var thread = pthread_t()
        let argument = UnsafeMutableRawPointer(bitPattern: Int(descriptor) + 1)
        let failure = pthread_create(
            &thread, nil,
            { argument in
                close(Int32(Int(bitPattern: argument) - 1))
                return nil
            }, argument)
        if failure == 0 { pthread_detach(thread) } else { close(descriptor) }
    }

    /// Opens a socket in the namespace of the calling thread.
    public static func open(_ subsystem: Subsystem) throws(SystemError) -> Int32 {
        let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = try syscall("socket", on: "netlink") { socket(AF_NETLINK, kind, subsystem.rawValue) }
        let netlink: Int32 = 270
        // Answers without a copy of the request, with the kernel's explanation (NETLINK_CAP_ACK, NETLINK_EXT_ACK).
        for option in [Int32(10), 11] { set(descriptor, netlink, option, 1) }
        set(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, sendBuffer)
        set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer)
        return descriptor
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The wire form of a message (struct nlmsghdr).
    static func encode(_ message: Message, sequence: UInt32) -> [UInt8] {
        MessageWriter.build { writer in
            writer.u32(UInt32(16 + message.body.count))
            writer.u16(message.type)
            writer.u16(message.flags)
            writer.u32(sequence)
            writer.u32(0)
            writer.raw(message.body)
            while !writer.bytes.count.isMultiple(of: 4) { writer.u8(0) }
        }
    }

    /// Sends messages in one piece and collects what the kernel answers at once; the first error is thrown.
    ///
    /// The kernel works while it receives, so that all answers are there when sending ends.
    @discardableResult
    public func send(_ messages: [Message], _ operation: @autoclosure () -> String) throws(NetlinkError) -> [Message] {
        var bytes: [UInt8] = []
        for message in messages {
            sequence &+= 1
            bytes += Self.encode(message, sequence: sequence)
        }
        try write(bytes, operation())
        var answers: [Message] = []
        var failure: NetlinkError?
        while let piece = try receive(operation(), waits: false) {
            for answer in try Self.split(piece) {
                if let error = Self.error(in: answer, operation()) { failure = failure ?? error }
                if answer.type > 3 { answers.append(answer) }
            }
        }
        if let failure { throw failure }
        return answers
    }

    /// Asks for all entries; asks again where they changed meanwhile (NLM_F_DUMP_INTR).
    public func dump(type: UInt16, body: [UInt8], _ operation: @autoclosure () -> String) throws(NetlinkError)
        -> [Message]
    {
        for _ in 0..<Self.dumpAttempts {
            sequence &+= 1
            let request = Message(type: type, flags: Flags.request | Flags.dump, body: body)
            try write(Self.encode(request, sequence: sequence), operation())
            if let messages = try collect(operation()) { return messages }
        }
        throw NetlinkError(operation(), errno: EAGAIN, detail: "the list kept changing")
    }

    private func collect(_ operation: String) throws(NetlinkError) -> [Message]? {
        var messages: [Message] = []
        var isWhole = true
        while true {
            guard let piece = try receive(operation, waits: true) else { throw .malformed(operation) }
            for message in try Self.split(piece) {
                if message.flags & Flags.interrupted != 0 { isWhole = false }
                if let error = Self.error(in: message, operation) {
                    if error.errno == EINTR { isWhole = false } else { throw error }
                }
                if message.type == 3 || message.type == 2 { return isWhole ? messages : nil }
                messages.append(message)
            }
        }
    }

    private func write(_ bytes: [UInt8], _ operation: String) throws(NetlinkError) {
        while true {
            let sent = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, 0) }
            if sent == bytes.count { return }
            if sent < 0, errno == EINTR { continue }
            throw NetlinkError(operation, errno: sent < 0 ? errno : EMSGSIZE)
        }
    }

    private func receive(_ operation: String, waits: Bool) throws(NetlinkError) -> ArraySlice<UInt8>? {
        let flags = Int32(MSG_TRUNC) | (waits ? 0 : Int32(MSG_DONTWAIT))
        let descriptor = descriptor
        let (count, bytes, error) = withUnsafeTemporaryAllocation(byteCount: Self.pieceLimit, alignment: 16) { buffer in
            while true {
                let count = recv(descriptor, buffer.baseAddress, buffer.count, flags)
                if count < 0, errno == EINTR { continue }
                return (count, Array(buffer.prefix(max(0, count))), errno)
            }
        }
        if count > Self.pieceLimit { throw NetlinkError(operation, errno: EMSGSIZE) }
        if count >= 0 { return bytes[...] }
        if error == EAGAIN { return nil }
        throw NetlinkError(operation, errno: error)
    }

    /// The messages in what one call received.
    static func split(_ bytes: ArraySlice<UInt8>) throws(NetlinkError) -> [Message] {
        var messages: [Message] = []
        var position = bytes.startIndex
        while position < bytes.endIndex {
            let offset = position - bytes.startIndex
            guard let length = bytes.number(at: offset, as: UInt32.self).map({ Int($0) }), length >= 16,
                length <= bytes.endIndex - position
            else { throw .malformed("a message of \(bytes.endIndex - position) bytes") }
            messages.append(
                Message(
                    type: bytes.number(at: offset + 4, as: UInt16.self)!,
                    flags: bytes.number(at: offset + 6, as: UInt16.self)!,
                    body: Array(bytes[(position + 16)..<(position + length)])))
            position += (length + 3) & ~3
        }
        return messages
    }

    /// The failure that an answer tells of (NLMSG_ERROR, or NLMSG_DONE with an error number); nil for success.
    static func error(in message: Message, _ operation: @autoclosure () -> String) -> NetlinkError? {
        guard message.type == 2 || message.type == 3, let code = message.body[...].number(at: 0, as: Int32.self),
            code < 0
        else { return nil }
        var detail = ""
        // With NETLINK_CAP_ACK the request's header follows, then attributes; 1 is the text.
        if message.type == 2, let attributes = try? Attributes(message.body.dropFirst(20)) {
            detail = attributes.text(1) ?? ""
        }
        return NetlinkError(operation(), errno: -code, detail: detail)
    }
}
