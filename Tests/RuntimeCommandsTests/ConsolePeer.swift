import Glibc
import LinuxSystem
import TestSupport
import Testing

/// The other side of `--console-socket`.
enum ConsolePeer {
    /// The terminal's master from a console socket.
    static func master(_ listener: borrowing Descriptor) async throws -> Descriptor {
        let number = listener.rawValue
        try await waitUntil("a connection comes") {
            var polled = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            return poll(&polled, 1, 0) == 1
        }
        let connection = try UnixSocket.accept(listener.rawValue)
        let message = try UnixSocket.receive(connection.rawValue, upTo: 4096)
        return Descriptor(owning: try #require(message.descriptors.first))
    }

    /// What the terminal shows until `text` comes.
    @discardableResult
    static func read(_ master: borrowing Descriptor, until text: String) async throws -> String {
        let number = master.rawValue
        _ = fcntl(number, F_SETFL, O_NONBLOCK)
        var received: [UInt8] = []
        try await waitUntil("the terminal shows \(text)") {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(number, &buffer, buffer.count)
            if count > 0 { received += buffer[..<count] }
            return String(decoding: received, as: UTF8.self).contains(text)
        }
        return String(decoding: received, as: UTF8.self)
    }
}
