import CLinux
import Glibc
import LinuxSystem
import Values

/// Sockets as martlet-net needs them: without waiting, closed on exec.
enum Sockets {
    /// Where containers ask for names (Docker's address).
    static let serverAddress = IPAddress("127.0.0.11")!
    static let port: UInt16 = 53

    static func make(_ family: Int32, _ type: __socket_type) throws(SystemError) -> Descriptor {
        let kind = Int32(type.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        return Descriptor(owning: try syscall("socket") { socket(family, kind, 0) })
    }

    /// The UDP socket and the listening TCP socket of one sandbox, opened in its namespace.
    static func open(in namespacePath: String) throws -> (udp: Int32, tcp: Int32) {
        try NetworkNamespace.run(at: namespacePath) {
            let udp = try make(AF_INET, SOCK_DGRAM)
            let tcp = try make(AF_INET, SOCK_STREAM)
            for descriptor in [udp.rawValue, tcp.rawValue] {
                // The sandbox's loopback device may come up later.
                try setOption(descriptor, Int32(IPPROTO_IP), IP_FREEBIND, 1)
                try setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
                _ = try withAddress(serverAddress, port) { address, length in
                    try syscall("bind", on: "\(serverAddress):\(port)") { bind(descriptor, address, length) }
                }
            }
            try syscall("listen") { listen(tcp.rawValue, 64) }
            return (udp.release(), tcp.release())
        }
    }

    static func setOption(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(SystemError) {
        var value = value
        try syscall("setsockopt") { setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) }
    }

    /// A socket towards a server, from the namespace that this process is in; the kernel chooses a random port.
    static func connect(to server: IPAddress, port: UInt16, _ type: __socket_type) throws -> Descriptor {
        let descriptor = try make(server.isV4 ? AF_INET : AF_INET6, type)
        try withAddress(server, port) { address, length in
            while Glibc.connect(descriptor.rawValue, address, length) < 0 {
                if errno == EINTR { continue }
                if errno == EINPROGRESS { return }
                throw SystemError("connect", "\(server)", errno: errno)
            }
        }
        return descriptor
    }

    static func withAddress<Result>(
        _ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Result
    ) rethrows -> Result {
        var storage = sockaddr_storage()
        let length: Int
        if address.isV4 {
            length = MemoryLayout<sockaddr_in>.size
            withUnsafeMutableBytes(of: &storage) { bytes in
                bytes.storeBytes(of: sa_family_t(AF_INET), as: sa_family_t.self)
                bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
                bytes[4..<8].copyBytes(from: address.bytes)
            }
        } else {
            length = MemoryLayout<sockaddr_in6>.size
            withUnsafeMutableBytes(of: &storage) { bytes in
                bytes.storeBytes(of: sa_family_t(AF_INET6), as: sa_family_t.self)
                bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
                bytes[8..<24].copyBytes(from: address.bytes)
            }
        }
        return try withUnsafePointer(to: &storage) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { try body($0, socklen_t(length)) }
        }
    }

    /// The device and inode of the namespace at a path, as text.
    static func namespaceIdentity(_ path: String) throws(SystemError) -> String {
        var information = stat()
        try syscall("stat", on: path) { stat(path, &information) }
        return "\(information.st_dev):\(information.st_ino)"
    }

    /// Which program a file holds: changes when it is replaced.
    static func programIdentity(_ path: String) -> String? {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        let time = information.st_mtim
        return "\(information.st_dev):\(information.st_ino):\(time.tv_sec).\(time.tv_nsec)"
    }
}

/// Where a datagram came from.
struct PeerAddress {
    var storage: sockaddr_storage
    var length: socklen_t
}

/// Waits for many descriptors at once; each report has to be asked for again.
struct Poller: ~Copyable {
    enum Interest: UInt32 {
        case read = 1
        case write = 2
        case both = 3
    }

    private let epoll: Descriptor

    init() throws(SystemError) { epoll = Descriptor(owning: try checked("epoll_create", cl_epoll_create())) }

    func arm(_ descriptor: Int32, _ interest: Interest = .read) {
        // Fails only for a descriptor that is closed, which its owner took out before.
        _ = cl_epoll_arm(epoll.rawValue, descriptor, interest.rawValue)
    }

    func remove(_ descriptor: Int32) { _ = cl_epoll_remove(epoll.rawValue, descriptor) }

    /// Descriptors on which something happened; waits up to `milliseconds`, for ever where negative.
    func wait(milliseconds: Int32) throws(SystemError) -> [Int32] {
        var descriptors = [Int32](repeating: -1, count: 64)
        var events = [UInt32](repeating: 0, count: 64)
        let count = try checked("epoll_wait", cl_epoll_wait(epoll.rawValue, &descriptors, &events, 64, milliseconds))
        return Array(descriptors[..<Int(count)])
    }
}
