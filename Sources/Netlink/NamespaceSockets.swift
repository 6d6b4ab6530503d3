import Glibc
import LinuxSystem

/// The kernel's networking in one namespace: links and routes, packet filter, connection tracking.
///
/// The sockets keep the namespace alive while they are open.
public final class NamespaceSockets {
    public let route: RouteSocket
    public let filter: FilterSocket
    public let conntrack: ConntrackSocket

    private init(route: Int32, netfilter: Int32) {
        self.route = RouteSocket(NetlinkSocket(owning: route, .route))
        let socket = NetlinkSocket(owning: netfilter, .netfilter)
        filter = FilterSocket(socket)
        conntrack = ConntrackSocket(socket)
    }

    /// Opens sockets in the namespace that `namespace` names (a descriptor of its file).
    ///
    /// - Parameter settings: files below /proc/sys/net and what to write into them before, in that namespace; those
    ///   that are not there are passed over.
    public static func open(in namespace: Int32, settings: [(String, String)] = []) throws -> NamespaceSockets {
        let sockets = try NetworkNamespace.run(in: namespace) { () throws -> [Int32] in
            for (path, value) in settings { try set(path, value) }
            let route = try NetlinkSocket.open(.route)
            return [route, try NetlinkSocket.open(.netfilter)]
        }
        return NamespaceSockets(route: sockets[0], netfilter: sockets[1])
    }

    /// Writes values into files below /proc/sys/net of a namespace; those that are not there are passed over.
    public static func apply(settings: [(String, String)], in namespace: Int32) throws {
        try NetworkNamespace.run(in: namespace) { for (path, value) in settings { try set(path, value) } }
    }

    private static func set(_ path: String, _ value: String) throws(SystemError) {
        let path = "/proc/sys/net/" + path
        do {
            if try Files.text(path).split(separator: "\n").first.map(String.init) == value { return }
            try Files.set(path, value)
        } catch {
            if error.errno != ENOENT { throw error }
        }
    }
}
