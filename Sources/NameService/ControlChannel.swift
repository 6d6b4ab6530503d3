import Glibc
import LinuxSystem

/// The client's end of a control connection: one request, one answer, waited for.
final class ControlChannel {
    private let socket: Descriptor
    private var input: [UInt8] = []

    /// How long an answer is waited for, in seconds.
    static let timeoutSeconds = 10

    init(socketPath: String) throws(NameServiceError) {
        do { socket = try UnixSocket.connect(socketPath) } catch { throw NameServiceError.system(error) }
        var time = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket.rawValue, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    func send(_ request: ControlRequest) throws(NameServiceError) {
        do {
            try UnixSocket.send(socket.rawValue, ControlLines.encode(request), descriptors: [])
        } catch {
            throw Self.failure(error)
        }
    }

    /// Waits for one answer and the descriptors beside it.
    func receive(
        _ kind: ControlReply.Kind
    ) throws(NameServiceError) -> (reply: ControlReply, descriptors: [Int32]) {
        var descriptors: [Int32] = []
        while true {
            if let end = input.firstIndex(of: 0x0a) {
                let line = Array(input[..<end])
                input.removeFirst(end + 1)
                let reply = try ControlLines.decode(ControlReply.self, line)
                if reply.kind == kind { return (reply, descriptors) }
                for descriptor in descriptors { close(descriptor) }
                throw reply.kind == .refused
                    ? NameServiceError.refused(reply.reason ?? "without a reason")
                    : NameServiceError.connection("answered \(reply.kind.rawValue) instead of \(kind.rawValue)")
            }
            let received: (bytes: [UInt8], descriptors: [Int32])
            do { received = try UnixSocket.receive(socket.rawValue, upTo: 1 << 16) } catch { throw Self.failure(error) }
            descriptors += received.descriptors
            guard !received.bytes.isEmpty, input.count + received.bytes.count <= ControlLines.limit else {
                for descriptor in descriptors { close(descriptor) }
                throw NameServiceError.connection("it closed the connection")
            }
            input += received.bytes
        }
    }

    /// Whether the other side has closed the connection.
    var isClosed: Bool {
        var byte: UInt8 = 0
        let count = recv(socket.rawValue, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
    }

    private static func failure(_ error: SystemError) -> NameServiceError {
        error.errno == EAGAIN ? .timeout("a request") : .system(error)
    }
}
