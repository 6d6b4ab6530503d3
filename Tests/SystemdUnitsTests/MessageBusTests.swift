import Glibc
import LinuxSystem
import TestSupport
import Testing

@testable import SystemdUnits

/// Against the reference implementation of the bus (dbus-daemon(1)), with a socket of its own; systemd on it is a
/// script where one is needed.
@Suite(.enabled(if: access("/usr/bin/dbus-daemon", X_OK) == 0, "needs /usr/bin/dbus-daemon"))
struct MessageBusTests {
    private struct Bus {
        let directory: TemporaryDirectory
        let daemon: RunningCommand
        var address: BusAddress { BusAddress(.path(directory.path("bus"))) }

        init() async throws {
            directory = try TemporaryDirectory("message-bus")
            let configuration = """
                <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
                 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
                <busconfig>
                  <type>session</type>
                  <listen>unix:path=\(directory.path("bus"))</listen>
                  <auth>EXTERNAL</auth>
                  <policy context="default">
                    <allow send_destination="*" eavesdrop="true"/>
                    <allow eavesdrop="true"/>
                    <allow own="*"/>
                  </policy>
                </busconfig>
                """
            daemon = try RunningCommand([
                "/usr/bin/dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
                "--config-file=\(try directory.write("bus.conf", configuration))",
            ])
            let (daemon, address) = (daemon, address)
            try await waitUntil("dbus-daemon listens") {
                guard !daemon.hasEnded else { throw BusPeer.Surprise(description: daemon.errorOutput) }
                return (try? BusSocket.connect(address, Deadline(after: .seconds(1)))) != nil
            }
        }

        func connect(user: uid_t = geteuid()) throws -> DBusConnection {
            try DBusConnection(address, Deadline(after: BusPeer.limit), user: user)
        }

        /// A connection whose messages a script reads and writes, which has said hello.
        static func peer(_ address: BusAddress) throws -> BusPeer {
            var peer = BusPeer(try BusSocket.connect(address, Deadline(after: BusPeer.limit)))
            peer.sender = nil
            try peer.send(BusPeer.authentication())
            let accepted = try peer.line()
            guard accepted.hasPrefix("OK ") else { throw BusPeer.Surprise(description: accepted) }
            try peer.send("BEGIN\r\n")
            let hello = try ask(&peer, "Hello", [])
            guard hello.first?.text?.first == ":" else { throw BusPeer.Surprise(description: "\(hello)") }
            return peer
        }

        /// Calls the bus itself.
        static func ask(_ peer: inout BusPeer, _ member: String, _ arguments: [DBusValue]) throws -> [DBusValue] {
            var message = DBusMessage(.call)
            message.path = "/org/freedesktop/DBus"
            message.interface = BusPeer.busName
            message.destination = BusPeer.busName
            message.member = member
            message.body = arguments
            try peer.send(message)
            while true {
                let answer = try peer.message()
                if answer.kind == .signal { continue }
                guard answer.kind == .reply else { throw BusPeer.Surprise(description: "\(answer)") }
                return answer.body
            }
        }
    }

    private static func ask(
        _ connection: inout DBusConnection, _ member: String, _ arguments: [DBusValue] = []
    ) throws(SystemdError) -> [DBusValue] {
        let name = DBusConnection.busName
        return try connection.call(
            busName: name, "/org/freedesktop/DBus", name, member, arguments, Deadline(after: BusPeer.limit))
    }

    @Test func theBusAnswers() async throws {
        let bus = try await Bus()
        var connection = try bus.connect()
        expectEqual(try Self.ask(&connection, "GetNameOwner", [.string(BusPeer.busName)]), [.string(BusPeer.busName)])
        let identifier = try Self.ask(&connection, "GetId").first?.text ?? ""
        #expect(identifier.utf8.count == 32)
        guard case .array(.basic(.string), let names)? = try Self.ask(&connection, "ListNames").first else {
            Issue.record("ListNames is no list of text")
            return
        }
        // The bus and this connection, which said hello.
        #expect(names.count == 2)
        #expect(names.contains(.string(BusPeer.busName)))
    }

    @Test func anErrorReply() async throws {
        let bus = try await Bus()
        var connection = try bus.connect()
        do throws(SystemdError) {
            _ = try Self.ask(&connection, "GetNameOwner", [.string(SystemdManager.busName)])
            Issue.record("systemd is on a bus of our own")
        } catch {
            #expect(error.replyName == "org.freedesktop.DBus.Error.NameHasNoOwner")
        }
        do throws(SystemdError) {
            _ = try Self.ask(&connection, "NoSuchMember")
            Issue.record("it exists")
        } catch {
            #expect(error.replyName == "org.freedesktop.DBus.Error.UnknownMethod")
        }
        expectEqual(try Self.ask(&connection, "GetId").count, 1)
    }

    /// The daemon rejects a number that is not the peer's, and then looks itself who the peer is.
    @Test func aUserOfAnotherNumber() async throws {
        let bus = try await Bus()
        var connection = try bus.connect(user: geteuid() + 12345)
        guard case .array(_, let names)? = try Self.ask(&connection, "ListNames").first,
            let own = names.first(where: { $0.text?.first == ":" })
        else {
            Issue.record("ListNames has no connection")
            return
        }
        expectEqual(try Self.ask(&connection, "GetConnectionUnixUser", [own]), [.uint32(geteuid())])
    }

    @Test func aBusWithoutSystemd() async throws {
        let bus = try await Bus()
        do throws(SystemdError) {
            _ = try SystemdManager([bus.address])
            Issue.record("systemd is on a bus of our own")
        } catch {
            #expect("\(error)".contains("NameHasNoOwner"))
            #expect("\(error)".contains("systemd cannot be reached"))
        }
    }

    /// The daemon takes the match rule and brings the signal that it asks for; a lie of another client's is not
    /// believed.
    @Test func aJobEndsOverTheBus() async throws {
        let bus = try await Bus()
        let address = bus.address
        let unit = try TransientUnit(
            SystemdCgroupPath(cgroupsPath: "a.slice:martlet:web", identifier: "web"), description: "web",
            process: 41, hierarchy: .unified)
        let thread = ScriptThread {
            var systemd = try Bus.peer(address)
            let granted = try Bus.ask(&systemd, "RequestName", [.string(SystemdManager.busName), .uint32(4)])
            guard granted == [.uint32(1)] else { throw BusPeer.Surprise(description: "\(granted)") }
            func next(_ systemd: inout BusPeer, _ member: String) throws -> DBusMessage {
                while true {
                    let message = try systemd.message()
                    if message.kind == .signal { continue }
                    guard message.member == member else { throw BusPeer.Surprise(description: "\(message)") }
                    return message
                }
            }
            let subscription = try next(&systemd, "Subscribe")
            try systemd.answer(subscription)
            let start = try next(&systemd, "StartTransientUnit")
            var liar = try Bus.peer(address)
            var lie = BusPeer.jobRemoved(9, "canceled", of: unit.path.unit)
            lie.destination = start.sender
            try liar.send(lie)
            // An answer of the bus to the liar says that the lie has been passed on.
            _ = try Bus.ask(&liar, "GetId", [])
            try systemd.answerWithJob(start, 9)
            try systemd.send(BusPeer.signal("JobNew", [.uint32(9), .objectPath(BusPeer.jobPath(9)), .string("x")]))
            try systemd.send(BusPeer.jobRemoved(9, "done", of: unit.path.unit))
            _ = try Bus.ask(&systemd, "GetId", [])
        }
        do {
            var connection = try bus.connect()
            var owner: String?
            try await waitUntil("systemd's name has an owner") {
                owner = (try? Self.ask(&connection, "GetNameOwner", [.string(SystemdManager.busName)]))?.first?.text
                return owner != nil
            }
            var manager = try SystemdManager([address])
            expectEqual(manager.owner, owner)
            try manager.start(unit)
        } catch {
            Issue.record("\(error); \(bus.daemon.errorOutput)")
        }
        #expect(thread.join() == nil)
    }
}
