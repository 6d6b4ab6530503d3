import Glibc
import LinuxSystem
import Values

extension RunningLab {
    /// Brings a TCP port that the lab's hosts publish to this machine's loopback, until `endForward` or `down`.
    ///
    /// Each connection goes to the first host that answers, in turn.
    ///
    /// - Parameter localPort: on this machine; nil is the same as `port`, 0 any free one.
    /// - Returns: the port on 127.0.0.1, and on ::1 where the machine has IPv6.
    @discardableResult
    public func forward(_ port: Int, localPort: Int? = nil) async throws -> Int {
        guard (1...65535).contains(port), (0...65535).contains(localPort ?? port) else {
            throw LabError("a port lies between 1 and 65535")
        }
        return try await change { state in
            let first = try Self.listen(localPort ?? port, isV6: false)
            let bound = Self.port(of: first)
            var listeners = [first]
            if let second = try? Self.listen(bound, isV6: true) { listeners.append(second) }
            defer { for listener in listeners { close(listener) } }
            let count = state.hosts.count
            let addresses = state.hosts.indices.map {
                state.configuration.underlay.addresses(ofHost: $0, of: count).v4.description
            }
            let pid = try LabProgram.forward(from: listeners, through: state.underlay, to: addresses, port: port)
            guard let process = ProcessMark(living: pid) else {
                throw LabError("the process that forwards port \(port) ended at once")
            }
            state.forwards.append(ForwardState(localPort: bound, port: port, process: process))
            return bound
        }
    }

    /// The ports of this machine's loopback that lead into the lab.
    public func forwards() throws -> [(localPort: Int, port: Int)] {
        try LabState.load(paths).forwards.filter(\.process.isAlive).map { ($0.localPort, $0.port) }
    }

    /// Ends the forwarding of a port of this machine; connections that are open stay.
    public func endForward(localPort: Int) async throws {
        try await change { state in
            guard let index = state.forwards.firstIndex(where: { $0.localPort == localPort }) else {
                throw LabError("port \(localPort) is not forwarded")
            }
            let process = state.forwards.remove(at: index).process
            if process.isAlive { Glibc.kill(process.pid, SIGTERM) }
        }
    }

    private static func listen(_ port: Int, isV6: Bool) throws -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = try syscall("socket") { Glibc.socket(isV6 ? AF_INET6 : AF_INET, type, 0) }
        do {
            var on: Int32 = 1
            setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            try syscall("bind", on: "port \(port) of the loopback") {
                isV6 ? bind6(socket, port) : bind4(socket, port)
            }
            try syscall("listen", on: "port \(port)") { Glibc.listen(socket, 128) }
        } catch {
            close(socket)
            throw error
        }
        return socket
    }

    private static func bind4(_ socket: Int32, _ port: Int) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func bind6(_ socket: Int32, _ port: Int) -> Int32 {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = in_port_t(port).bigEndian
        address.sin6_addr = in6addr_loopback
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }

    private static func port(of socket: Int32) -> Int {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket, $0, &length) }
        }
        return Int(in_port_t(bigEndian: address.sin_port))
    }
}
