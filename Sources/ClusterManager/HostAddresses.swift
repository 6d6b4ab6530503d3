import ClusterRPC
import EngineModel
import Glibc
import Values

/// The addresses of this host, and which of them its peers are told (Docker: --advertise-addr, --listen-addr).
enum HostAddresses {
    /// Addresses by interface, those of the loopback and link-local ones left out, IPv4 first.
    static func all() -> [(interface: String, address: IPAddress)] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var found: [(String, IPAddress)] = []
        var next = first
        while let entry = next {
            next = entry.pointee.ifa_next
            guard let address = entry.pointee.ifa_addr, entry.pointee.ifa_flags & UInt32(IFF_UP) != 0 else {
                continue
            }
            let bytes: [UInt8]
            switch Int32(address.pointee.sa_family) {
            case AF_INET:
                bytes = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    withUnsafeBytes(of: $0.pointee.sin_addr) { Array($0) }
                }
            case AF_INET6:
                bytes = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    withUnsafeBytes(of: $0.pointee.sin6_addr) { Array($0) }
                }
            default: continue
            }
            guard let value = IPAddress(bytes: bytes), !value.isLoopback,
                !(value.isV6 && value.bytes[0] == 0xfe && value.bytes[1] & 0xc0 == 0x80)
            else { continue }
            found.append((String(cString: entry.pointee.ifa_name), value))
        }
        return found.sorted { $0.1.isV4 && !$1.1.isV4 }
    }

    /// Those that peers may reach: not of interfaces that the engine itself made.
    static func candidates() -> [(interface: String, address: IPAddress)] { all().filter { !isOwn($0.interface) } }

    /// Names of interfaces that the engine itself makes.
    private static func isOwn(_ interface: String) -> Bool {
        ["martlet", "br-", "veth", "vx", "mgw", "ingress", "docker"].contains { interface.hasPrefix($0) }
    }

    /// The address and port that peers are told.
    ///
    /// - Parameters:
    ///   - wish: an address or interface with or without a port; empty for the engine's choice.
    ///   - listen: `address:port` to listen on, whose port counts where `wish` has none.
    ///   - remote: a peer that has to reach this host; its route decides where there are several addresses.
    static func advertised(_ wish: String, listen: String, defaultPort: UInt16, towards remote: String? = nil)
        throws(EngineError) -> (address: String, port: UInt16)
    {
        var port = defaultPort
        if !listen.isEmpty {
            guard let address = ClusterAddress(parsing: listen, defaultPort: Int(defaultPort)),
                (1...65535).contains(address.port)
            else { throw EngineError(.invalidParameter, "invalid listen address \(listen)") }
            port = UInt16(address.port)
        }
        let candidates = candidates()
        if !wish.isEmpty {
            guard let parsed = ClusterAddress(parsing: wish, defaultPort: Int(port)), (1...65535).contains(parsed.port)
            else { throw EngineError(.invalidParameter, "invalid advertise address \(wish)") }
            if IPAddress(parsed.host) != nil { return (parsed.host, UInt16(parsed.port)) }
            guard let found = all().first(where: { $0.interface == parsed.host }) else {
                throw EngineError(
                    .invalidParameter,
                    "advertise address must be a non-zero IP address or network interface (with optional port number)")
            }
            return (found.address.description, UInt16(parsed.port))
        }
        if let remote, let own = source(towards: remote) { return (own.description, port) }
        let addresses = candidates.filter(\.address.isV4).isEmpty ? candidates : candidates.filter(\.address.isV4)
        if addresses.count == 1 { return (addresses[0].address.description, port) }
        if addresses.isEmpty {
            throw EngineError(
                .invalidParameter,
                "could not find the system's IP address - specify one with --advertise-addr")
        }
        let shown = addresses.prefix(2).map { "\($0.address) on \($0.interface)" }.joined(separator: " and ")
        throw EngineError(
            .invalidParameter,
            "could not choose an IP address to advertise since this system has multiple addresses on different "
                + "interfaces (\(shown)) - specify one with --advertise-addr")
    }

    /// The address from which the kernel would speak to `remote`; nil for a name, and where no route leads there.
    static func source(towards remote: String) -> IPAddress? {
        guard let target = IPAddress(remote) else { return nil }
        if target.isV4 {
            var remote = sockaddr_in()
            remote.sin_family = sa_family_t(AF_INET)
            remote.sin_port = in_port_t(9).bigEndian
            withUnsafeMutableBytes(of: &remote.sin_addr) { $0.copyBytes(from: target.bytes) }
            return source(AF_INET, remote).flatMap { own in
                IPAddress(bytes: withUnsafeBytes(of: own.sin_addr) { Array($0) })
            }
        }
        var remote = sockaddr_in6()
        remote.sin6_family = sa_family_t(AF_INET6)
        remote.sin6_port = in_port_t(9).bigEndian
        withUnsafeMutableBytes(of: &remote.sin6_addr) { $0.copyBytes(from: target.bytes) }
        return source(AF_INET6, remote).flatMap { own in
            IPAddress(bytes: withUnsafeBytes(of: own.sin6_addr) { Array($0) })
        }
    }

    /// The kernel's choice for a datagram to `remote`, of which none is sent (connect(2), getsockname(2)).
    private static func source<Address>(_ family: Int32, _ remote: Address) -> Address? {
        let socket = socket(family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        defer { close(socket) }
        var address = remote
        var length = socklen_t(MemoryLayout<Address>.size)
        let isNamed = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        return isNamed ? address : nil
    }
}
