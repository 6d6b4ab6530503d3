import Glibc
import LinuxSystem
import Testing

@testable import SystemdUnits

/// D-Bus specification: Message Bus; calls, replies and signals over a pair of sockets.
@Suite struct DBusConnectionTests {
    static func call(
        _ connection: inout DBusConnection, _ arguments: [DBusValue] = [], within limit: Duration = BusPeer.limit
    ) throws -> [DBusValue] {
        try connection.call(busName: "a.b", "/c", "d.e", "Do", arguments, Deadline(after: limit))
    }

    @Test func aCallAndItsReply() throws {
        try FakeBus.connected { peer in
            let call = try peer.call("Do", [.string("x"), .uint32(5)], to: "a.b")
            guard call.path == "/c", call.interface == "d.e", call.flags == 0 else {
                throw BusPeer.Surprise(description: "\(call)")
            }
            try peer.answer(call, [.bool(true)])
        } client: {
            expectEqual(try Self.call(&$0, [.string("x"), .uint32(5)]), [.bool(true)])
        }
    }

    /// Without a bus nobody is greeted, and messages have no destination.
    @Test func withoutABus() throws {
        try FakeBus.run { peer in
            try peer.authenticate()
            let call = try peer.call("Do", to: nil)
            try peer.answer(call, [.string("y")])
        } client: { socket in
            var connection = try DBusConnection(socket, isBus: false, Deadline(after: BusPeer.limit))
            expectEqual(try Self.call(&connection), [.string("y")])
        }
    }

    @Test func anErrorReplyIsAnErrorAndTheConnectionGoesOn() throws {
        try FakeBus.connected { peer in
            let refused = try peer.call("Do", to: "a.b")
            try peer.refuse(refused, "a.b.Broken", "it broke")
            let answered = try peer.call("Do", to: "a.b")
            try peer.answer(answered, [.byte(1)])
        } client: { connection in
            #expect(throws: SystemdError.refused(call: "d.e.Do", name: "a.b.Broken", message: "it broke")) {
                try Self.call(&connection)
            }
            expectEqual(try Self.call(&connection), [.byte(1)])
        }
    }

    /// The answer to a call that was given up comes during the next one, and is not taken for its answer.
    @Test func aDeadlinePassesAndTheLateReplyIsDropped() throws {
        try FakeBus.connected { peer in
            let late = try peer.call("Do", [.byte(1)], to: "a.b")
            let next = try peer.call("Do", [.byte(2)], to: "a.b")
            try peer.answer(late, [.string("late")])
            try peer.answer(next, [.string("right")])
        } client: { connection in
            let begin = Clock.sinceBoot()
            #expect(throws: SystemdError.timedOut("d.e.Do")) {
                try Self.call(&connection, [.byte(1)], within: .milliseconds(50))
            }
            #expect((50_000_000..<5_000_000_000).contains(Clock.sinceBoot() - begin))
            expectEqual(try Self.call(&connection, [.byte(2)]), [.string("right")])
        }
    }

    /// Whoever sends signals without end does not keep a call from its deadline.
    @Test(.timeLimit(.minutes(1))) func signalsWithoutEndDoNotOutlastADeadline() throws {
        try FakeBus.connected { peer in
            _ = try peer.call("Do", to: "a.b")
            let flood = try (0..<100).flatMap { _ in try peer.bytes(BusPeer.signal("Noise")) }
            // Until the other end is closed.
            while (try? peer.send(flood)) != nil {}
        } client: { connection in
            #expect(throws: SystemdError.timedOut("d.e.Do")) {
                try Self.call(&connection, within: .milliseconds(100))
            }
        }
    }

    @Test func messagesComeInPiecesAndTogether() throws {
        try FakeBus.connected { peer in
            let first = try peer.call("Do", to: "a.b")
            for byte in try peer.bytes(BusPeer.reply(first, [.string("slowly")])) { try peer.send([byte]) }
            let second = try peer.call("Do", to: "a.b")
            var unknown = try peer.bytes(BusPeer.signal("Unknown"))
            unknown[1] = 9
            var stranger = second
            stranger.serial += 1000
            let all =
                try unknown + peer.bytes(BusPeer.signal("One", [.byte(1)]))
                + peer.bytes(BusPeer.reply(stranger, [.string("not yours")]))
                + peer.bytes(BusPeer.reply(second, [.string("at once")]))
                + peer.bytes(BusPeer.signal("Two", [.byte(2)]))
            try peer.send(all)
        } client: { connection in
            expectEqual(try Self.call(&connection), [.string("slowly")])
            expectEqual(try Self.call(&connection), [.string("at once")])
            // The later one first: what is not wanted stays.
            let two = try connection.signal("Two", Deadline(after: BusPeer.limit)) { $0.member == "Two" }
            let one = try connection.signal("One", Deadline(after: BusPeer.limit)) { $0.member == "One" }
            #expect([one.body, two.body] == [[.byte(1)], [.byte(2)]])
            #expect(one.sender == BusPeer.systemdName)
        }
    }

    @Test func theOldestSignalsAreDropped() throws {
        let excess = 10
        try FakeBus.connected { peer in
            let call = try peer.call("Do", to: "a.b")
            for number in 0..<(DBusConnection.signalLimit + excess) {
                try peer.send(BusPeer.signal("Count", [.uint32(UInt32(number))]))
            }
            try peer.answer(call)
            try peer.waitForEnd()
        } client: { connection in
            expectEqual(try Self.call(&connection), [])
            for number in excess..<(DBusConnection.signalLimit + excess) {
                let signal = try connection.signal("Count", Deadline(after: BusPeer.limit)) { _ in true }
                guard signal.body == [.uint32(UInt32(number))] else {
                    Issue.record("\(signal.body) in the place of \(number)")
                    return
                }
            }
            #expect(throws: SystemdError.timedOut("more")) {
                try connection.signal("more", Deadline(after: .milliseconds(20))) { _ in true }
            }
        }
    }

    @Test func afterNonsenseTheConnectionIsOfNoUse() throws {
        try FakeBus.connected { peer in
            _ = try peer.call("Do", to: "a.b")
            try peer.send([UInt8](repeating: 0x41, count: 64))
            try peer.waitForEnd()
        } client: { connection in
            for _ in 0..<2 {
                #expect {
                    try Self.call(&connection)
                } throws: { error in
                    if case .malformed? = error as? SystemdError { true } else { false }
                }
            }
        }
    }

    @Test func theOtherEndGoesAway() throws {
        try FakeBus.connected { peer in
            let call = try peer.call("Do", to: "a.b")
            try peer.send(Array(peer.bytes(BusPeer.reply(call, [.string("cut off")])).dropLast()))
        } client: { connection in
            #expect(throws: SystemdError.system(SystemError("receive", "d.e.Do", errno: ECONNRESET))) {
                try Self.call(&connection)
            }
            #expect {
                try Self.call(&connection)
            } throws: { error in
                // The first call's end, or the kernel's answer to sending.
                if case .system? = error as? SystemdError { true } else { false }
            }
        }
    }

    /// More than the kernel keeps for a socket: sent in pieces, or given up in the middle.
    @Test func longMessages() throws {
        let long = DBusValue.bytes([UInt8](repeating: 7, count: 1_000_000))
        try FakeBus.connected { peer in
            let call = try peer.call("Do", [long], to: "a.b")
            try peer.answer(call, [long])
        } client: { connection in
            expectEqual(try Self.call(&connection, [long]), [long])
            let tooLong = DBusValue.bytes([UInt8](repeating: 7, count: DBusMessage.sizeLimit))
            #expect(throws: SystemdError.self) { try Self.call(&connection, [tooLong]) }
        }
        let (near, far) = try UnixSocket.pair()
        let silent = BusSocket(owning: far)
        try silent.send(Array("OK\r\n".utf8), Deadline(after: BusPeer.limit), "the peer")
        var connection = try DBusConnection(BusSocket(owning: near), isBus: false, Deadline(after: BusPeer.limit))
        #expect(throws: SystemdError.timedOut("d.e.Do")) {
            try Self.call(&connection, [long], within: .milliseconds(50))
        }
        // Half a message was sent: nothing may follow it.
        #expect(throws: SystemdError.malformed("an earlier failure ended this connection")) {
            try Self.call(&connection)
        }
        _ = consume silent
    }
}
