import Glibc
import LinuxSystem
import Synchronization
import TestSupport

/// Answers TCP and UDP on one port in a namespace: `<name> <client's address> <client's port>`, then echoes.
final class TestServer: Sendable {
    private let stop: Int32

    init(_ name: String, in namespace: String, port: UInt16) throws {
        let sockets = try NetworkNamespace.run(at: namespace) { () throws -> [Int32] in
            try [SOCK_STREAM, SOCK_DGRAM].map { kind in
                let descriptor = try TestSocket.make(kind)
                try TestSocket.bind(descriptor, "0.0.0.0", port)
                if kind == SOCK_STREAM { try syscall("listen") { listen(descriptor, 512) } }
                return descriptor
            }
        }
        let ends = try Descriptor.pipe()
        stop = ends.write
        startThread { Self.serve(name, sockets[0], sockets[1], until: ends.read) }
    }

    deinit { close(stop) }

    private static func serve(_ name: String, _ listener: Int32, _ datagrams: Int32, until end: Int32) {
        var open: [Int32] = []
        defer { for descriptor in open + [listener, datagrams, end] { close(descriptor) } }
        while true {
            var polled = ([end, listener, datagrams] + open).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, UInt(polled.count), -1) >= 0, polled[0].revents == 0 else { return }
            var peer = sockaddr_in()
            if polled[1].revents != 0 {
                let accepted = TestSocket.withAddress(&peer) { accept(listener, $0, $1) }
                if accepted >= 0 {
                    let line = Array("\(name) \(TestSocket.text(peer))\n".utf8)
                    send(accepted, line, line.count, Int32(MSG_NOSIGNAL))
                    open.append(accepted)
                }
            }
            var buffer = [UInt8](repeating: 0, count: 2048)
            if polled[2].revents != 0 {
                let count = TestSocket.withAddress(&peer) { recvfrom(datagrams, &buffer, 2048, 0, $0, $1) }
                let line = Array("\(name) \(TestSocket.text(peer))".utf8)
                if count >= 0 {
                    withUnsafePointer(to: peer) { pointer in
                        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                            _ = sendto(datagrams, line, line.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                        }
                    }
                }
            }
            for entry in polled.dropFirst(3) where entry.revents != 0 {
                let count = recv(entry.fd, &buffer, buffer.count, 0)
                if count > 0 {
                    send(entry.fd, buffer, count, Int32(MSG_NOSIGNAL))
                } else {
                    close(entry.fd)
                    open.removeAll { $0 == entry.fd }
                }
            }
        }
    }
}

/// What a server said, and the connection to it.
final class TestConnection {
    let descriptor: Int32
    /// The server's name and the client's address and port as it saw them.
    private(set) var greeting: [String] = []

    var server: String { greeting.first ?? "" }
    var client: String { greeting.dropFirst().first ?? "" }

    /// Connects from a namespace and reads the greeting; ECONNREFUSED where nobody is there, EINPROGRESS or EAGAIN
    /// where nobody answers within the limit.
    init(
        from namespace: String, to address: String, _ port: UInt16, isStream: Bool = true, sourcePort: UInt16 = 0,
        limitMilliseconds: Int = 3000
    ) throws {
        let descriptor = try NetworkNamespace.run(at: namespace) { () throws -> Int32 in
            let descriptor = try TestSocket.make(isStream ? SOCK_STREAM : SOCK_DGRAM)
            var limit = timeval(tv_sec: limitMilliseconds / 1000, tv_usec: limitMilliseconds % 1000 * 1000)
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
            }
            do {
                if sourcePort > 0 { try TestSocket.bind(descriptor, "0.0.0.0", sourcePort) }
                try TestSocket.connect(descriptor, address, port)
            } catch {
                close(descriptor)
                throw error
            }
            return descriptor
        }
        self.descriptor = descriptor
        if !isStream { send(descriptor, "?", 1, 0) }
        greeting = try read().split(whereSeparator: \.isWhitespace).map(String.init)
    }

    deinit { close(descriptor) }

    func read() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 2048)
        let count = try syscall("recv") { recv(descriptor, &buffer, buffer.count, 0) }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    /// Sends text and reads what comes back.
    func echo(_ text: String) throws -> String {
        let bytes = Array(text.utf8)
        try syscall("send") { send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
        return try read()
    }
}

enum TestSocket {
    static func make(_ kind: __socket_type) throws -> Int32 {
        let descriptor = try syscall("socket") { socket(AF_INET, Int32(kind.rawValue), 0) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        return descriptor
    }

    static func address(_ text: String, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, text, &address.sin_addr)
        return address
    }

    static func bind(_ descriptor: Int32, _ text: String, _ port: UInt16) throws {
        var address = address(text, port)
        try syscall("bind", on: "\(text):\(port)") { withAddress(&address) { Glibc.bind(descriptor, $0, $1.pointee) } }
    }

    static func connect(_ descriptor: Int32, _ text: String, _ port: UInt16) throws {
        var address = address(text, port)
        try syscall("connect", on: "\(text):\(port)") {
            withAddress(&address) { Glibc.connect(descriptor, $0, $1.pointee) }
        }
    }

    static func withAddress<Result>(
        _ address: inout sockaddr_in,
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
    ) -> Result {
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }

    static func text(_ address: sockaddr_in) -> String {
        let value = UInt32(bigEndian: address.sin_addr.s_addr)
        let parts = [24, 16, 8, 0].map { String(value >> $0 & 0xff) }
        return parts.joined(separator: ".") + " \(UInt16(bigEndian: address.sin_port))"
    }
}
