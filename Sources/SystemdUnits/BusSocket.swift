import Glibc
import LinuxSystem

/// A stream socket that never waits beyond a deadline (unix(7)).
struct BusSocket: ~Copyable {
    private let descriptor: Descriptor

    /// Takes over a connected stream socket.
    init(owning descriptor: Int32) { self.descriptor = Descriptor(owning: descriptor) }

    static func connect(_ address: BusAddress, _ deadline: Deadline) throws(SystemdError) -> BusSocket {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let text: [UInt8] =
            switch address.place {
            case .path(let path): Array(path.utf8) + [0]
            case .abstract(let name): [0] + Array(name.utf8)
            }
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + text.count
        guard text.count <= MemoryLayout.size(ofValue: name.sun_path) else {
            throw .invalidName(address.description, reason: "is too long for a socket's address")
        }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: text) }
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let number = try wrapped { () throws(SystemError) in try syscall("socket") { socket(AF_UNIX, kind, 0) } }
        let result = BusSocket(owning: number)
        while true {
            let status = withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(number, $0, socklen_t(length))
                }
            }
            if status == 0 { return result }
            // EAGAIN: as many wait to be accepted as may.
            guard errno == EAGAIN || errno == EINTR else {
                throw .system(SystemError("connect", address.description, errno: errno))
            }
            guard let rest = deadline.remainingMilliseconds else { throw .timedOut("connect \(address.description)") }
            poll(nil, 0, min(rest, 10))
        }
    }

    func send(_ bytes: [UInt8], _ deadline: Deadline, _ what: @autoclosure () -> String) throws(SystemdError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor.rawValue, $0.baseAddress! + sent, bytes.count - sent,
                    Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                try wait(for: Int16(POLLOUT), deadline, what())
            } else if errno != EINTR {
                throw .system(SystemError("send", what(), errno: errno))
            }
        }
    }

    /// Up to `limit` bytes, at least one. Nothing once the deadline has passed, even where there is something: who
    /// sends without end does not keep anybody.
    func receive(upTo limit: Int, _ deadline: Deadline, _ what: @autoclosure () -> String) throws(SystemdError)
        -> [UInt8]
    {
        var buffer = [UInt8](repeating: 0, count: limit)
        while true {
            guard deadline.remainingMilliseconds != nil else { throw .timedOut(what()) }
            let count = recv(descriptor.rawValue, &buffer, limit, Int32(MSG_DONTWAIT))
            if count > 0 { return Array(buffer[..<count]) }
            if count == 0 { throw .system(SystemError("receive", what(), errno: ECONNRESET)) }
            if errno == EAGAIN {
                try wait(for: Int16(POLLIN), deadline, what())
            } else if errno != EINTR {
                throw .system(SystemError("receive", what(), errno: errno))
            }
        }
    }

    private func wait(for events: Int16, _ deadline: Deadline, _ what: String) throws(SystemdError) {
        guard let rest = deadline.remainingMilliseconds else { throw .timedOut(what) }
        var entry = pollfd(fd: descriptor.rawValue, events: events, revents: 0)
        if poll(&entry, 1, rest) < 0, errno != EINTR { throw .system(SystemError("poll", what, errno: errno)) }
    }

    private static func wrapped(_ body: () throws(SystemError) -> Int32) throws(SystemdError) -> Int32 {
        do { return try body() } catch { throw .system(error) }
    }
}
