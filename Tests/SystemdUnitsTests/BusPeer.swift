import Glibc
import LinuxSystem

@testable import SystemdUnits

/// The other end of a connection: says what a test's script says, and fails where it hears something else.
struct BusPeer: ~Copyable {
    /// How long it waits for the code under test.
    static let limit = Duration.seconds(10)
    /// The name that it has as the bus, and that it gives to who says hello.
    static let (busName, clientName, systemdName) = ("org.freedesktop.DBus", ":1.7", ":1.1")

    /// Something else came than the script has.
    struct Surprise: Error, CustomStringConvertible {
        let description: String
    }

    private let socket: BusSocket
    private var buffer: [UInt8] = []
    private var serial: UInt32 = 100
    /// Who its messages are from.
    var sender: String? = BusPeer.systemdName

    init(_ socket: consuming BusSocket) { self.socket = socket }

    func send(_ bytes: [UInt8]) throws { try socket.send(bytes, Deadline(after: Self.limit), "the peer") }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    private mutating func fill() throws {
        buffer += try socket.receive(upTo: 1 << 16, Deadline(after: Self.limit), "the peer")
    }

    /// Waits until the code under test has closed its end.
    mutating func waitForEnd() throws {
        do {
            while true { try fill() }
        } catch let error as SystemdError {
            guard case .system(let cause) = error, cause.errno == ECONNRESET else { throw error }
        }
    }

    /// Waits for these very bytes.
    mutating func hear(_ text: String) throws {
        let wanted = Array(text.utf8)
        while buffer.count < wanted.count { try fill() }
        let heard = Array(buffer.prefix(wanted.count))
        guard heard == wanted else {
            throw Surprise(description: "\(String(decoding: heard, as: UTF8.self)) in the place of \(text)")
        }
        buffer.removeFirst(wanted.count)
    }

    /// The next line, without its end.
    mutating func line() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let text = buffer[..<end]
                buffer.removeFirst(end + 1)
                return String(decoding: text.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
            }
            try fill()
        }
    }

    /// `AUTH EXTERNAL` with the user's number in hexadecimal digits of its decimal ones.
    static func authentication(_ user: uid_t = geteuid()) -> String {
        "\0AUTH EXTERNAL " + "\(user)".utf8.map { "3\($0 - 0x30)" }.joined() + "\r\n"
    }

    mutating func authenticate() throws {
        try hear(Self.authentication())
        try send("OK 0123456789abcdef0123456789abcdef\r\n")
        try hear("BEGIN\r\n")
    }

    /// Authenticates and answers Hello as the bus.
    mutating func welcome() throws {
        try authenticate()
        let hello = try call("Hello", [], to: Self.busName)
        try answer(hello, [.string(Self.clientName)])
    }

    /// The next message.
    mutating func message() throws -> DBusMessage {
        while true {
            if buffer.count >= DBusMessage.prefixSize {
                let length = try DBusMessage.length(ofMessageBeginning: buffer)
                if buffer.count >= length {
                    let message = try DBusMessage.decode(Array(buffer[..<length]))
                    buffer.removeFirst(length)
                    guard let message else { throw Surprise(description: "a message of unknown kind") }
                    return message
                }
            }
            try fill()
        }
    }

    /// The next message, which has to be this call; with these arguments where some are given.
    mutating func call(_ member: String, _ arguments: [DBusValue]? = nil, to destination: String?) throws
        -> DBusMessage
    {
        let message = try message()
        guard message.kind == .call, message.member == member, message.destination == destination,
            arguments == nil || message.body == arguments
        else { throw Surprise(description: "\(message) in the place of \(member) with \(arguments ?? [])") }
        return message
    }

    /// Numbers a message and gives it a sender.
    mutating func bytes(_ message: DBusMessage) throws -> [UInt8] {
        var message = message
        serial += 1
        message.serial = serial
        message.sender = message.sender ?? sender
        return try message.encoded()
    }

    mutating func send(_ message: DBusMessage) throws { try send(bytes(message)) }

    static func reply(_ call: DBusMessage, _ body: [DBusValue]) -> DBusMessage {
        var reply = DBusMessage(.reply)
        reply.replySerial = call.serial
        reply.destination = call.sender
        reply.body = body
        return reply
    }

    mutating func answer(_ call: DBusMessage, _ body: [DBusValue] = []) throws { try send(Self.reply(call, body)) }

    mutating func refuse(_ call: DBusMessage, _ name: String, _ text: String) throws {
        var message = DBusMessage(.error)
        message.replySerial = call.serial
        message.destination = call.sender
        message.errorName = name
        message.body = [.string(text)]
        try send(message)
    }

    static func signal(_ member: String, _ body: [DBusValue] = [], sender: String? = nil) -> DBusMessage {
        var message = DBusMessage(.signal)
        message.path = SystemdManager.objectPath
        message.interface = SystemdManager.interface
        message.member = member
        message.sender = sender
        message.body = body
        return message
    }

    static func jobPath(_ job: UInt32) -> String { "/org/freedesktop/systemd1/job/\(job)" }

    /// JobRemoved: number, path, unit, result.
    static func jobRemoved(_ job: UInt32, _ result: String, of unit: String, sender: String? = nil) -> DBusMessage {
        let body: [DBusValue] = [.uint32(job), .objectPath(jobPath(job)), .string(unit), .string(result)]
        return signal("JobRemoved", body, sender: sender)
    }

    mutating func answerWithJob(_ call: DBusMessage, _ job: UInt32) throws {
        try answer(call, [.objectPath(Self.jobPath(job))])
    }
}
