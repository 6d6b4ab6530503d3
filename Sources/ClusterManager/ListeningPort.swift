import EngineModel
import Glibc
import LinuxSystem

/// The TCP port of a host's cluster listener, before it listens.
enum ListeningPort {
    /// Throws where the port cannot be listened on now, so that a host which cannot be reached gets no place in a
    /// cluster. Another process may still take it later.
    ///
    /// - Parameter isV6: of which family the address is that peers use.
    static func requireFree(_ port: UInt16, isV6: Bool) throws(EngineError) {
        do throws(SystemError) {
            let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            let descriptor = Descriptor(
                owning: try syscall("socket") { socket(isV6 ? AF_INET6 : AF_INET, kind, 0) })
            // As the listener has it: connections that have ended do not count.
            var yes: Int32 = 1
            setsockopt(descriptor.rawValue, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
            if isV6 {
                var address = sockaddr_in6()
                (address.sin6_family, address.sin6_port) = (sa_family_t(AF_INET6), port.bigEndian)
                try bind(descriptor.rawValue, to: address)
            } else {
                var address = sockaddr_in()
                (address.sin_family, address.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
                try bind(descriptor.rawValue, to: address)
            }
            try syscall("listen") { Glibc.listen(descriptor.rawValue, 1) }
        } catch {
            throw EngineError(.unavailable, "port \(port) cannot be listened on: \(error)")
        }
    }

    private static func bind<Address>(_ descriptor: Int32, to address: Address) throws(SystemError) {
        try syscall("bind") {
            withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
                }
            }
        }
    }
}
