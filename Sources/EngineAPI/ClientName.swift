import Glibc
import NIOCore

/// What is known of the client at the other end of a connection, in words for the cluster's history.
enum ClientName {
    /// unix(7): struct ucred, which Glibc's module does not show.
    private struct Credentials {
        var process: Int32
        var user: UInt32
        var group: UInt32
    }

    /// `local socket, user 0` for a Unix socket (unix(7), SO_PEERCRED), the address for TCP.
    static func of(_ channel: any Channel) async -> String? {
        guard case .unixDomainSocket = channel.localAddress else { return channel.remoteAddress?.ipAddress }
        guard let options = channel as? any SocketOptionProvider,
            let peer: Credentials = try? await options.unsafeGetSocketOption(
                level: NIOBSDSocket.OptionLevel(rawValue: SOL_SOCKET), name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
            ).get()
        else { return "local socket" }
        return "local socket, user \(peer.user)"
    }
}
