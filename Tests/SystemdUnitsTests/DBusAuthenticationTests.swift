import Glibc
import LinuxSystem
import TestSupport
import Testing

@testable import SystemdUnits

/// D-Bus specification: Authentication Protocol; and connecting to where an address leads (unix(7)).
@Suite struct DBusAuthenticationTests {
    private static func connect(_ socket: consuming BusSocket) throws {
        _ = try DBusConnection(socket, isBus: true, Deadline(after: BusPeer.limit))
    }

    @Test func externalInPieces() throws {
        try FakeBus.run { peer in
            try peer.hear(BusPeer.authentication())
            for byte in "OK 0123456789abcdef0123456789abcdef\r\n".utf8 { try peer.send([byte]) }
            try peer.hear("BEGIN\r\n")
            let hello = try peer.call("Hello", [], to: BusPeer.busName)
            try peer.answer(hello, [.string(BusPeer.clientName)])
        } client: {
            try Self.connect($0)
        }
    }

    /// In a user namespace the other side may know this user by another number: it is asked to look itself.
    @Test func rejectedWithANumberAndAcceptedWithout() throws {
        try FakeBus.run { peer in
            try peer.hear(BusPeer.authentication())
            try peer.send("REJECTED EXTERNAL DBUS_COOKIE_SHA1\r\n")
            try peer.hear("AUTH EXTERNAL\r\n")
            try peer.send("DATA\r\n")
            try peer.hear("DATA\r\n")
            try peer.send("OK 0123456789abcdef0123456789abcdef\r\n")
            try peer.hear("BEGIN\r\n")
            let hello = try peer.call("Hello", [], to: BusPeer.busName)
            try peer.answer(hello, [.string(BusPeer.clientName)])
        } client: {
            try Self.connect($0)
        }
    }

    @Test(arguments: ["REJECTED EXTERNAL", "ERROR unknown", "DATA", "", "HTTP/1.1 400 Bad Request"])
    func refusedForGood(_ answer: String) throws {
        try FakeBus.run { peer in
            // Answers the same to whatever comes, until the other end is closed.
            while (try? peer.send(answer + "\r\n")) != nil {}
        } client: { socket in
            do {
                try Self.connect(socket)
                Issue.record("\(answer) is taken for OK")
            } catch SystemdError.authentication(let reason) {
                #expect(reason.contains("\"\(answer)\""))
            }
        }
    }

    @Test func aLineWithoutEnd() throws {
        try FakeBus.run { peer in
            while (try? peer.send([UInt8](repeating: 0x41, count: 1000))) != nil {}
        } client: { socket in
            do {
                try Self.connect(socket)
                Issue.record("it ended")
            } catch SystemdError.authentication(let reason) {
                #expect(reason == "a line without end")
            }
        }
    }

    @Test func silence() throws {
        try FakeBus.run { peer in
            try peer.waitForEnd()
        } client: { socket in
            do {
                _ = try DBusConnection(socket, isBus: true, Deadline(after: .milliseconds(50)))
                Issue.record("it is connected")
            } catch SystemdError.timedOut(let what) {
                #expect(what == "authentication")
            }
        }
    }

    // MARK: Connecting

    private static func failure(_ place: BusAddress.Place, within limit: Duration = BusPeer.limit) -> SystemdError? {
        do throws(SystemdError) {
            _ = try BusSocket.connect(BusAddress(place), Deadline(after: limit))
            return nil
        } catch {
            return error
        }
    }

    @Test func whereNobodyListens() throws {
        let directory = try TemporaryDirectory("systemd")
        let path = directory.path("bus")
        #expect(Self.failure(.path(path)) == .system(SystemError("connect", path, errno: ENOENT)))
        let left = directory.path("left")
        _ = try UnixSocket.listen(left)
        #expect(Self.failure(.path(left)) == .system(SystemError("connect", left, errno: ECONNREFUSED)))
        let long = "/" + String(repeating: "a", count: 107)
        #expect(Self.failure(.path(long)) == .invalidName(long, reason: "is too long for a socket's address"))
        #expect(
            Self.failure(.abstract("martlet-nobody-\(getpid())"))
                == .system(SystemError("connect", "@martlet-nobody-\(getpid())", errno: ECONNREFUSED)))
    }

    /// A listener that does not accept and has as many waiting as it may.
    @Test func whereTooManyWait() throws {
        let directory = try TemporaryDirectory("systemd")
        let path = directory.path("bus")
        let listener = try UnixSocket.listen(path, backlog: 0)
        let waiting = try UnixSocket.connect(path)
        #expect(Self.failure(.path(path), within: .milliseconds(50)) == .timedOut("connect \(path)"))
        // As soon as there is room it is connected.
        let number = listener.rawValue
        let thread = ScriptThread {
            _ = try UnixSocket.accept(number)
            _ = try UnixSocket.accept(number)
        }
        #expect(Self.failure(.path(path)) == nil)
        #expect(thread.join() == nil)
        _ = consume waiting
        _ = consume listener
    }

    @Test func anAbstractName() throws {
        let name = "martlet-systemd-test-\(getpid())"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0[1...].copyBytes(from: name.utf8) }
        let listener = Descriptor(
            owning: try syscall("socket") {
                socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            })
        let length = socklen_t(MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + 1 + name.utf8.count)
        try syscall("bind") {
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(listener.rawValue, $0, length)
                }
            }
        }
        try syscall("listen") { listen(listener.rawValue, 1) }
        #expect(Self.failure(.abstract(name)) == nil)
        _ = consume listener
    }
}
