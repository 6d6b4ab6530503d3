import Glibc
import LinuxSystem
import Testing

@testable import SystemdUnits

/// A thread that runs a test's script.
final class ScriptThread: @unchecked Sendable {
    // SAFETY: the thread alone writes before it ends, and `join` reads after it.
    private var failure: (any Error)?
    private var thread = pthread_t()
    private let script: @Sendable () throws -> Void

    init(_ script: @escaping @Sendable () throws -> Void) {
        self.script = script
        let argument = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { argument in
                let work = Unmanaged<ScriptThread>.fromOpaque(argument!).takeRetainedValue()
                do { try work.script() } catch { work.failure = error }
                return nil
            }, argument.toOpaque())
        precondition(status == 0, "no thread can be started")
    }

    /// Waits for the script's end; why it failed.
    func join() -> (any Error)? {
        pthread_join(thread, nil)
        return failure
    }
}

/// The code under test at one end of a pair of sockets, a script at the other.
enum FakeBus {
    /// Runs both to their ends. The client's end is closed before the script is waited for.
    static func run(
        _ script: @escaping @Sendable (inout BusPeer) throws -> Void,
        client: (consuming BusSocket) throws -> Void, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let (near, far) = try UnixSocket.pair()
        let thread = ScriptThread {
            var peer = BusPeer(BusSocket(owning: far))
            try script(&peer)
        }
        let result = Result { try client(BusSocket(owning: near)) }
        if let failure = thread.join() { Issue.record("the script: \(failure)", sourceLocation: location) }
        try result.get()
    }

    /// A connection that has said hello to a bus, which goes on with the script.
    static func connected(
        _ script: @escaping @Sendable (inout BusPeer) throws -> Void,
        client: (inout DBusConnection) throws -> Void, _ location: SourceLocation = #_sourceLocation
    ) throws {
        try run(
            { peer in
                try peer.welcome()
                try script(&peer)
            },
            client: { socket in
                var connection = try DBusConnection(socket, isBus: true, Deadline(after: BusPeer.limit))
                try client(&connection)
            }, location)
    }

    static let matchRule =
        "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',"
        + "interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"

    /// A manager that has subscribed over a bus, which goes on with the script as systemd.
    static func systemd(
        answerLimit: Duration = BusPeer.limit, jobLimit: Duration = BusPeer.limit,
        _ script: @escaping @Sendable (inout BusPeer) throws -> Void,
        client: (inout SystemdManager) throws -> Void, _ location: SourceLocation = #_sourceLocation
    ) throws {
        try run(
            { peer in
                try peer.welcome()
                let owner = try peer.call("GetNameOwner", [.string(SystemdManager.busName)], to: BusPeer.busName)
                try peer.answer(owner, [.string(BusPeer.systemdName)])
                let match = try peer.call("AddMatch", [.string(matchRule)], to: BusPeer.busName)
                try peer.answer(match)
                let subscription = try peer.call("Subscribe", [], to: SystemdManager.busName)
                try peer.answer(subscription)
                try script(&peer)
            },
            client: { socket in
                let connection = try DBusConnection(socket, isBus: true, Deadline(after: BusPeer.limit))
                var manager = try SystemdManager(
                    connection, isBus: true, answerLimit: answerLimit, jobLimit: jobLimit)
                try client(&manager)
            }, location)
    }
}

/// Expects a value that a call on something without copies answered, which the macro cannot take apart.
func expectEqual<Value: Equatable>(
    _ value: Value, _ wanted: Value, _ location: SourceLocation = #_sourceLocation
) {
    #expect(value == wanted, sourceLocation: location)
}
