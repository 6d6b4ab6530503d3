import Glibc
import LinuxSystem

/// systemd's manager of units, over the message bus or its own socket (org.freedesktop.systemd1(5)).
///
/// For one thread. Each call ends by a deadline; a connection that failed is of no more use, a new one is.
public struct SystemdManager: ~Copyable {
    /// How long systemd may take to connect and to answer.
    public static let answerLimit = Duration.seconds(10)
    /// How long a unit may take to start or stop.
    public static let jobLimit = Duration.seconds(30)

    static let busName = "org.freedesktop.systemd1"
    static let objectPath = "/org/freedesktop/systemd1"
    static let interface = "org.freedesktop.systemd1.Manager"

    var connection: DBusConnection
    let answerLimit: Duration
    let jobLimit: Duration
    /// systemd's own name on the bus, which signals have to come from; nil without a bus.
    let owner: String?

    /// Whether the machine was booted with systemd (sd_booted(3)).
    public static var isRunning: Bool { isRunning(directory: "/run/systemd/system") }

    static func isRunning(directory: String) -> Bool {
        var information = stat()
        return lstat(directory, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
    }

    /// Connects with the machine's systemd or the user's: over the bus that the environment names
    /// (DBUS_SYSTEM_BUS_ADDRESS, DBUS_SESSION_BUS_ADDRESS) or the usual one, else over systemd's own socket.
    ///
    /// - Throws: ``SystemdError/unavailable(_:)`` with what each of them said.
    public init(_ scope: SystemdScope) throws(SystemdError) {
        let addresses = try BusAddress.candidates(scope, isRoot: geteuid() == 0) { name in
            getenv(name).map { String(cString: $0) }
        }
        try self.init(addresses)
    }

    init(
        _ addresses: [BusAddress], answerLimit: Duration = answerLimit, jobLimit: Duration = jobLimit
    ) throws(SystemdError) {
        var failures: [String] = []
        for address in addresses {
            do throws(SystemdError) {
                let connection = try DBusConnection(address, Deadline(after: answerLimit))
                self = try SystemdManager(
                    connection, isBus: address.isBus, answerLimit: answerLimit, jobLimit: jobLimit)
                return
            } catch {
                failures.append("\(address.description): \(error)")
            }
        }
        throw .unavailable(
            failures.isEmpty
                ? "neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set" : failures.joined(separator: "; "))
    }

    /// Asks for the signals that say how jobs end.
    init(
        _ connection: consuming DBusConnection, isBus: Bool, answerLimit: Duration = answerLimit,
        jobLimit: Duration = jobLimit
    ) throws(SystemdError) {
        let deadline = Deadline(after: answerLimit)
        var connection = connection
        let (bus, path) = (DBusConnection.busName, "/org/freedesktop/DBus")
        var owner: String?
        if isBus {
            let reply = try connection.call(
                busName: bus, path, bus, "GetNameOwner", [.string(Self.busName)], deadline)
            guard case .string(let name)? = reply.first else { throw .malformed("GetNameOwner without a name") }
            owner = name
            let rule =
                "type='signal',sender='\(Self.busName)',path='\(Self.objectPath)',"
                + "interface='\(Self.interface)',member='JobRemoved'"
            _ = try connection.call(busName: bus, path, bus, "AddMatch", [.string(rule)], deadline)
        }
        _ = try connection.call(busName: Self.busName, Self.objectPath, Self.interface, "Subscribe", [], deadline)
        self.connection = connection
        self.owner = owner
        self.answerLimit = answerLimit
        self.jobLimit = jobLimit
    }

    mutating func call(_ member: String, _ arguments: [DBusValue]) throws(SystemdError) -> [DBusValue] {
        try connection.call(
            busName: Self.busName, Self.objectPath, Self.interface, member, arguments, Deadline(after: answerLimit))
    }

    /// The value of a property of an object (org.freedesktop.DBus.Properties).
    mutating func property(_ name: String, of path: String, _ interface: String) throws(SystemdError) -> DBusValue {
        let reply = try connection.call(
            busName: Self.busName, path, "org.freedesktop.DBus.Properties", "Get", [.string(interface), .string(name)],
            Deadline(after: answerLimit))
        guard case .variant(let value)? = reply.first else { throw .malformed("Get of \(name) without a value") }
        return value
    }

    private mutating func text(_ name: String, of path: String, _ interface: String) throws(SystemdError) -> String {
        guard case .string(let text) = try property(name, of: path, interface) else {
            throw .malformed("\(name) is no text")
        }
        return text
    }

    /// The number in systemd's version: 252 for `252.39-1~deb12u1` and `v252-2.fc37`.
    public mutating func version() throws(SystemdError) -> Int {
        let text = try text("Version", of: Self.objectPath, Self.interface)
        let digits = text.drop { $0 == "v" || $0 == "\"" }.prefix { $0.isASCII && $0.isNumber }
        guard let version = Int(digits) else { throw .malformed("\"\(text.prefix(100))\" is no version of systemd") }
        return version
    }

    /// The path of a unit's control group as systemd has it, empty where it has none; of what systemd itself manages
    /// where `unit` is nil: empty or `/` for the machine's,
    /// `/user.slice/user-1000.slice/user@1000.service` for a user's.
    public mutating func controlGroup(_ unit: SystemdCgroupPath? = nil) throws(SystemdError) -> String {
        guard let unit else { return try text("ControlGroup", of: Self.objectPath, Self.interface) }
        guard case .objectPath(let path)? = try call("GetUnit", [.string(unit.unit)]).first else {
            throw .malformed("GetUnit without a path")
        }
        return try text("ControlGroup", of: path, Self.busName + (unit.isSlice ? ".Slice" : ".Scope"))
    }
}
