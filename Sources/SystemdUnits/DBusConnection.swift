import Glibc
import LinuxSystem

/// A client's connection with a message bus, or with a program that speaks D-Bus without one.
///
/// One call at a time; signals that come meanwhile are kept. For one thread.
struct DBusConnection: ~Copyable {
    /// The most signals that wait to be asked for; the oldest are dropped.
    static let signalLimit = 1024
    /// The longest line while authenticating, in bytes.
    static let lineLimit = 4096
    static let busName = "org.freedesktop.DBus"

    private let socket: BusSocket
    private let isBus: Bool
    private var buffer: [UInt8] = []
    private var serial: UInt32 = 0
    private var signals: [DBusMessage] = []
    /// A message was sent or read in part: what follows could not be understood.
    private var isBroken = false

    init(_ address: BusAddress, _ deadline: Deadline, user: uid_t = geteuid()) throws(SystemdError) {
        try self.init(BusSocket.connect(address, deadline), isBus: address.isBus, deadline, user: user)
    }

    /// Authenticates over a connected socket and says hello to the bus.
    init(
        _ socket: consuming BusSocket, isBus: Bool, _ deadline: Deadline, user: uid_t = geteuid()
    ) throws(SystemdError) {
        self.socket = socket
        self.isBus = isBus
        try authenticate(as: user, deadline)
        if isBus {
            _ = try call(busName: Self.busName, "/org/freedesktop/DBus", Self.busName, "Hello", [], deadline)
        }
    }

    /// SASL's EXTERNAL: the kernel tells the other side who we are. Where the number of the user is another one there
    /// (user namespaces) it is left out (D-Bus specification: Authentication Protocol).
    private mutating func authenticate(as user: uid_t, _ deadline: Deadline) throws(SystemdError) {
        let digits = Array("0123456789abcdef")
        let identity = String("\(user)".utf8.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
        try socket.send([0] + Array("AUTH EXTERNAL \(identity)\r\n".utf8), deadline, "authentication")
        var attempts = 1
        while true {
            let answer = try line(deadline)
            switch answer.split(separator: " ").first {
            case "OK":
                try socket.send(Array("BEGIN\r\n".utf8), deadline, "authentication")
                return
            case "DATA" where attempts < 3:
                try socket.send(Array("DATA\r\n".utf8), deadline, "authentication")
            case "REJECTED" where attempts == 1:
                try socket.send(Array("AUTH EXTERNAL\r\n".utf8), deadline, "authentication")
            default: throw .authentication("it says \"\(answer.prefix(200))\" to EXTERNAL of user \(user)")
            }
            attempts += 1
        }
    }

    private mutating func line(_ deadline: Deadline) throws(SystemdError) -> String {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let text = buffer[..<end].filter { $0 != UInt8(ascii: "\r") }
                buffer.removeFirst(end + 1)
                return String(decoding: text, as: UTF8.self)
            }
            guard buffer.count <= Self.lineLimit else { throw .authentication("a line without end") }
            buffer += try socket.receive(upTo: Self.lineLimit, deadline, "authentication")
        }
    }

    /// Calls a method and waits for its reply; the reply's values.
    mutating func call(
        busName: String, _ path: String, _ interface: String, _ member: String, _ arguments: [DBusValue],
        _ deadline: Deadline
    ) throws(SystemdError) -> [DBusValue] {
        var message = DBusMessage(.call)
        message.path = path
        message.interface = interface
        message.member = member
        message.destination = isBus ? busName : nil
        message.body = arguments
        serial += 1
        message.serial = serial
        let bytes = try message.encoded()
        guard !isBroken else { throw .malformed("an earlier failure ended this connection") }
        isBroken = true
        try socket.send(bytes, deadline, message.title)
        isBroken = false
        while true {
            let answer = try receive(deadline, message.title)
            guard answer.replySerial == serial else {
                keep(answer)
                continue
            }
            if answer.kind == .reply { return answer.body }
            guard answer.kind == .error else { continue }
            throw .refused(call: message.title, name: answer.errorName ?? "", message: answer.body.first?.text ?? "")
        }
    }

    /// The first signal that `isWanted`, of those that came before or will; it and no other is taken.
    mutating func signal(
        _ what: String, _ deadline: Deadline, where isWanted: (DBusMessage) -> Bool
    ) throws(SystemdError) -> DBusMessage {
        while true {
            if let index = signals.firstIndex(where: isWanted) { return signals.remove(at: index) }
            keep(try receive(deadline, what))
        }
    }

    private mutating func keep(_ message: DBusMessage) {
        guard message.kind == .signal else { return }
        if signals.count == Self.signalLimit { signals.removeFirst() }
        signals.append(message)
    }

    /// The next message. A deadline that passes leaves what has come for the next time.
    private mutating func receive(_ deadline: Deadline, _ what: @autoclosure () -> String) throws(SystemdError)
        -> DBusMessage
    {
        guard !isBroken else { throw .malformed("an earlier failure ended this connection") }
        while true {
            do throws(SystemdError) {
                if let message = try nextMessage() { return message }
            } catch {
                isBroken = true
                throw error
            }
            buffer += try socket.receive(upTo: 1 << 16, deadline, what())
        }
    }

    /// The first message of those that have come whole.
    private mutating func nextMessage() throws(SystemdError) -> DBusMessage? {
        while buffer.count >= DBusMessage.prefixSize {
            let length = try DBusMessage.length(ofMessageBeginning: buffer)
            guard buffer.count >= length else { return nil }
            let message = try DBusMessage.decode(Array(buffer[..<length]))
            buffer.removeFirst(length)
            if let message { return message }
        }
        return nil
    }
}
