import Glibc

/// Whether a port could be had, without keeping it.
public enum PortProbe {
    /// Binds a socket of the calling thread's network namespace as a listener would (ip(7)), and closes it.
    ///
    /// - Parameters:
    ///   - address: 4 bytes of IPv4 or 16 of IPv6; zeros for all addresses.
    ///   - isStream: TCP, of which connections that have ended do not count; else UDP.
    /// - Throws: `EADDRINUSE` where somebody has the port.
    public static func bind(_ address: [UInt8], port: UInt16, isStream: Bool) throws(SystemError) {
        precondition(address.count == 4 || address.count == 16, "an IP address")
        let isV6 = address.count == 16
        let kind = Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = Descriptor(
            owning: try syscall("socket") { socket(isV6 ? AF_INET6 : AF_INET, kind, 0) })
        if isStream {
            var yes: Int32 = 1
            setsockopt(descriptor.rawValue, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        if isV6 {
            var place = sockaddr_in6()
            (place.sin6_family, place.sin6_port) = (sa_family_t(AF_INET6), port.bigEndian)
            withUnsafeMutableBytes(of: &place.sin6_addr) { $0.copyBytes(from: address) }
            try bind(descriptor.rawValue, to: place)
        } else {
            var place = sockaddr_in()
            (place.sin_family, place.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
            withUnsafeMutableBytes(of: &place.sin_addr) { $0.copyBytes(from: address) }
            try bind(descriptor.rawValue, to: place)
        }
    }

    private static func bind<Place>(_ descriptor: Int32, to place: Place) throws(SystemError) {
        try syscall("bind") {
            withUnsafePointer(to: place) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<Place>.size))
                }
            }
        }
    }
}
