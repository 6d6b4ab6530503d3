import CLinux
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import Synchronization

/// A connection to a shim's socket that never blocks a thread.
final class ShimConnection: Sendable {
    private let socket: Descriptor
    private let reactor: Reactor
    /// Bytes that came and were not asked for yet.
    private let rest = Mutex<[UInt8]>([])

    /// - Throws: EAGAIN where as many wait at the socket already as may.
    init(_ path: String, reactor: Reactor) throws(SystemError) {
        socket = try Self.connect(path)
        self.reactor = reactor
    }

    private static func connect(_ path: String) throws(SystemError) -> Descriptor {
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(AF_UNIX, Int32(kind), 0) })
        // An address holds 107 bytes, whatever the directory's path (unix(7)).
        let directory = try Descriptor.open(Files.parent(of: path), O_RDONLY | O_DIRECTORY)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: "/proc/self/fd/\(directory.rawValue)/\(ShimFiles.socket)".utf8)
        }
        try syscall("connect", on: path) {
            withUnsafeBytes(of: &address) {
                Glibc.connect(socket.rawValue, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, UInt32($0.count))
            }
        }
        return socket
    }

    deinit { reactor.forget(socket.rawValue) }

    /// The answer's line; nil where the connection ended without one.
    func answer() async throws -> ShimAnswer? {
        while true {
            let line = rest.withLock { rest -> [UInt8]? in
                guard let end = rest.firstIndex(of: 0x0a) else { return nil }
                defer { rest.removeFirst(end + 1) }
                return Array(rest[..<end])
            }
            if let line { return try JSONCoding.decode(ShimAnswer.self, from: line) }
            let bytes = try await receive()
            if bytes.isEmpty { return nil }
            try rest.withLock { rest in
                rest += bytes
                if rest.count > ShimLimits.line + ShimLimits.payload { throw SystemError("receive", errno: EMSGSIZE) }
            }
        }
    }

    /// The next frame; nil at the end.
    func frame() async throws -> (kind: UInt8, payload: [UInt8])? {
        while true {
            if let frame = try takeFrame() { return frame }
            let bytes = try await receive()
            if bytes.isEmpty { return nil }
            rest.withLock { $0 += bytes }
        }
    }

    private func takeFrame() throws -> (kind: UInt8, payload: [UInt8])? {
        try rest.withLock { rest in
            let header = ShimFrame.headerBytes
            guard rest.count >= header else { return nil }
            let length = rest[4..<8].reduce(0) { $0 << 8 | Int($1) }
            guard length <= ShimLimits.payload else { throw SystemError("receive frame", errno: EMSGSIZE) }
            guard rest.count >= header + length else { return nil }
            let frame = (rest[0], Array(rest[header..<header + length]))
            rest.removeFirst(header + length)
            return frame
        }
    }

    /// Waits for the other end to close.
    func end() async {
        while let bytes = try? await receive(), !bytes.isEmpty {}
    }

    /// What came; empty at the end.
    private func receive() async throws -> [UInt8] {
        let descriptor = socket.rawValue
        return try await withTaskCancellationHandler {
            while true {
                let (bytes, error) = Self.read(descriptor)
                if let bytes { return bytes }
                if error == ECONNRESET { return [] }
                guard error == EAGAIN || error == EINTR else { throw SystemError("receive", errno: error) }
                if error == EAGAIN { await reactor.readable(descriptor) }
                try Task.checkCancellation()
            }
        } onCancel: {
            close()
        }
    }

    private static func read(_ descriptor: Int32) -> ([UInt8]?, Int32) {
        var error: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
            let received = Glibc.read(descriptor, buffer.baseAddress!, buffer.count)
            error = received < 0 ? errno : 0
            count = max(0, received)
        }
        return (error == 0 ? bytes : nil, error)
    }

    /// Writes all of `bytes`; EPIPE where nobody reads any more.
    func write(_ bytes: [UInt8]) async throws {
        let descriptor = socket.rawValue
        var written = 0
        while written < bytes.count {
            let start = written
            let sent = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + start, $0.count - start, Int32(MSG_NOSIGNAL))
            }
            if sent >= 0 {
                written += sent
                continue
            }
            let error = errno
            guard error == EAGAIN || error == EINTR else { throw SystemError("send", errno: error) }
            if error == EAGAIN {
                await withTaskCancellationHandler {
                    await reactor.writable(descriptor)
                } onCancel: {
                    close()
                }
            }
            try Task.checkCancellation()
        }
    }

    func closeWriting() { shutdown(socket.rawValue, Int32(SHUT_WR)) }

    /// Ends both directions; whoever waits is woken. The descriptor is closed with the object.
    func close() { shutdown(socket.rawValue, Int32(SHUT_RDWR)) }
}
