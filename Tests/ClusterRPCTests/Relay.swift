import Glibc
import LinuxSystem
import Synchronization

/// A TCP relay on loopback that can fall silent: it keeps its connections and forwards nothing any more.
final class Relay: Sendable {
    let port: Int
    private let listener: Int32
    private let target: Int
    private struct State {
        var isSilent = false
        var isClosed = false
        var sockets: [Int32] = []
    }
    private let state = Mutex(State())

    init(to target: Int) throws {
        self.target = target
        let listener = try syscall("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        var address = Self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                try syscall("bind") { bind(listener, pointer, length) }
                try syscall("getsockname") { getsockname(listener, pointer, &length) }
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        try syscall("listen") { listen(listener, 16) }
        self.listener = listener
        Self.thread { [self] in acceptAll() }
    }

    func silence() { state.withLock { $0.isSilent = true } }

    func close() {
        let sockets = state.withLock { state in
            state.isClosed = true
            return state.sockets
        }
        shutdown(listener, Int32(SHUT_RDWR))
        for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        return address
    }

    private func acceptAll() {
        while true {
            let client = accept(listener, nil, nil)
            if client < 0 { return }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = Self.address(target)
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if result < 0 || state.withLock({ $0.isSilent }) {
                Glibc.close(server)
                state.withLock { $0.sockets.append(client) }
                continue
            }
            state.withLock { $0.sockets += [client, server] }
            Self.thread { [self] in copy(client, server) }
            Self.thread { [self] in copy(server, client) }
        }
    }

    private func copy(_ from: Int32, _ to: Int32) {
        while let bytes = try? Bytes.read(from, upTo: 1 << 16), !bytes.isEmpty {
            if state.withLock({ $0.isSilent }) { continue }
            do { try Bytes.writeAll(to, bytes) } catch { break }
        }
        if !state.withLock({ $0.isSilent }) { shutdown(to, Int32(SHUT_WR)) }
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) {
        final class Work {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Work(body)).toOpaque())
        pthread_detach(thread)
    }
}
