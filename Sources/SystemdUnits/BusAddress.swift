import Glibc

/// Where a message bus or systemd itself listens (D-Bus specification: Server Addresses).
struct BusAddress: Hashable, Sendable {
    enum Place: Hashable, Sendable {
        case path(String)
        /// A name of Linux's that is no file (unix(7)).
        case abstract(String)
    }

    var place: Place
    /// False for systemd's own socket, which has no bus between: no names, and every message is systemd's.
    var isBus: Bool

    init(_ place: Place, isBus: Bool = true) {
        self.place = place
        self.isBus = isBus
    }

    var description: String {
        switch place {
        case .path(let path): path
        case .abstract(let name): "@" + name
        }
    }

    /// The most addresses in one list.
    static let listLimit = 16

    /// The unix sockets of a list of addresses, `unix:path=/run/bus,guid=1;unix:abstract=name`; other transports are
    /// passed over.
    static func parse(_ list: String) throws(SystemdError) -> [BusAddress] {
        var addresses: [BusAddress] = []
        for address in list.split(separator: ";").prefix(listLimit) where address.hasPrefix("unix:") {
            for pair in address.dropFirst(5).split(separator: ",") {
                let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard halves.count == 2, let value = unescaped(halves[1]), !value.isEmpty else {
                    throw .invalidName(
                        list, reason: "is no D-Bus address; unix:path=/run/dbus/system_bus_socket is one")
                }
                if halves[0] == "path" { addresses.append(BusAddress(.path(value))) }
                if halves[0] == "abstract" { addresses.append(BusAddress(.abstract(value))) }
            }
        }
        guard !addresses.isEmpty else { throw .invalidName(list, reason: "names no unix socket") }
        return addresses
    }

    /// `%2f` and the like; nil where two hexadecimal digits do not follow.
    private static func unescaped(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, let digitText = String(digits), let value = UInt8(digitText, radix: 16), value != 0
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Where to look for systemd, the best first.
    ///
    /// - Parameters:
    ///   - user: nil for the system's manager, otherwise the user's own.
    ///   - environment: a variable's value by name.
    static func candidates(
        _ scope: SystemdScope, isRoot: Bool, environment: (String) -> String?
    ) throws(SystemdError) -> [BusAddress] {
        var addresses: [BusAddress] = []
        switch scope {
        case .system:
            if let list = environment("DBUS_SYSTEM_BUS_ADDRESS"), !list.isEmpty {
                addresses = try parse(list)
            } else {
                addresses = [BusAddress(.path("/run/dbus/system_bus_socket"))]
            }
            if isRoot { addresses.append(BusAddress(.path("/run/systemd/private"), isBus: false)) }
        case .user:
            let directory = environment("XDG_RUNTIME_DIR").flatMap { $0.isEmpty ? nil : $0 }
            if let list = environment("DBUS_SESSION_BUS_ADDRESS"), !list.isEmpty {
                addresses = try parse(list)
            } else if let directory {
                addresses = [BusAddress(.path(directory + "/bus"))]
            }
            if let directory { addresses.append(BusAddress(.path(directory + "/systemd/private"), isBus: false)) }
        }
        return addresses
    }
}

/// Which systemd: the machine's, or the one of the user who calls (`systemctl --user`).
public enum SystemdScope: Sendable {
    case system
    case user
}
