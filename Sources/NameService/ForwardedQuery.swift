import Glibc
import LinuxSystem
import Values

/// A question that was passed on to another name server and waits for its answer.
struct ForwardedQuery {
    /// Where the answer goes.
    enum Client {
        case datagram(sandbox: String, PeerAddress)
        case stream(Int)
    }

    let client: Client
    let sandbox: String
    let query: DNSQuery
    let isStream: Bool
    /// The servers to ask, one after the other.
    private(set) var servers: ArraySlice<IPAddress>
    private let message: [UInt8]
    /// The socket of the attempt under way; -1 for none.
    private(set) var socket: Int32 = -1
    private(set) var deadline: Int64 = 0
    private var identifier: UInt16 = 0
    /// What still has to be sent, and what was received, over TCP.
    private var output: ArraySlice<UInt8> = []
    private var input: [UInt8] = []

    /// How long one server is waited for, in nanoseconds.
    static let timeout: Int64 = 2_000_000_000
    /// The most servers that are asked.
    static let serverLimit = 3

    init(
        _ message: ArraySlice<UInt8>, _ query: DNSQuery, to servers: [IPAddress], isStream: Bool, sandbox: String,
        client: Client
    ) {
        self.client = client
        self.sandbox = sandbox
        self.query = query
        self.isStream = isStream
        self.message = Array(message)
        let chosen = Array(servers.prefix(Self.serverLimit))
        // One server alone is asked again: a datagram may be lost.
        self.servers = chosen.count == 1 && !isStream ? [chosen[0], chosen[0]] : chosen[...]
    }

    /// What came of a step.
    enum Step {
        case waiting(writes: Bool)
        case answer([UInt8])
        /// No server is left.
        case failed
    }

    /// Asks the next server with an identifier and a port that nobody can guess.
    mutating func ask(port: UInt16, at now: Int64) -> Step {
        close()
        while let server = servers.popFirst() {
            identifier = .random(in: .min ... .max)
            let question = DNSResponse.big(identifier) + message.dropFirst(2)
            guard let opened = try? Sockets.connect(to: server, port: port, isStream ? SOCK_STREAM : SOCK_DGRAM) else {
                continue
            }
            socket = opened.release()
            deadline = now + Self.timeout
            input = []
            if isStream {
                output = (DNSResponse.big(UInt16(question.count)) + question)[...]
                return .waiting(writes: true)
            }
            if send(socket, question, question.count, Int32(MSG_NOSIGNAL)) == question.count {
                return .waiting(writes: false)
            }
            close()
        }
        return .failed
    }

    /// Goes on after something happened on the socket.
    mutating func proceed(port: UInt16, at now: Int64) -> Step {
        isStream ? proceedStream(port: port, at: now) : proceedDatagram(port: port, at: now)
    }

    private mutating func proceedDatagram(port: UInt16, at now: Int64) -> Step {
        var buffer = [UInt8](repeating: 0, count: 65_535)
        while true {
            let count = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0 {
                if errno == EINTR { continue }
                // A refused port is reported here.
                return errno == EAGAIN ? .waiting(writes: false) : ask(port: port, at: now)
            }
            if let answer = accepted(buffer[..<count]) { return finish(answer, port: port, at: now) }
        }
    }

    private mutating func proceedStream(port: UInt16, at now: Int64) -> Step {
        while !output.isEmpty {
            let sent = output.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN || errno == ENOTCONN ? .waiting(writes: true) : ask(port: port, at: now)
            }
            output = output.dropFirst(sent)
        }
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN ? .waiting(writes: false) : ask(port: port, at: now)
            }
            if count == 0 { return ask(port: port, at: now) }
            input += buffer[..<count]
            guard input.count >= 2 else { continue }
            let length = Int(input[0]) << 8 + Int(input[1])
            guard input.count >= 2 + length else { continue }
            guard let answer = accepted(input[2..<2 + length]) else { return ask(port: port, at: now) }
            return finish(answer, port: port, at: now)
        }
    }

    /// The answer with the client's own identifier, where it is one to this question.
    private func accepted(_ answer: ArraySlice<UInt8>) -> [UInt8]? {
        let start = answer.startIndex
        guard answer.count >= DNSQuery.headerLength, answer[start + 2] & 0x80 != 0,
            UInt16(answer[start]) << 8 | UInt16(answer[start + 1]) == identifier
        else { return nil }
        let count = UInt16(answer[start + 4]) << 8 | UInt16(answer[start + 5])
        // Some servers leave the question out of errors.
        if count > 0 {
            let question = answer.dropFirst(DNSQuery.headerLength).prefix(query.question.count)
            guard count == 1, question.map(Self.lowered) == query.question.map(Self.lowered) else { return nil }
        } else if answer[start + 3] & 0x0f == 0 {
            return nil
        }
        return DNSResponse.big(query.id) + answer.dropFirst(2)
    }

    private static func lowered(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte + 0x20 : byte }

    /// A server that fails or refuses is no last word while there is another.
    private mutating func finish(_ answer: [UInt8], port: UInt16, at now: Int64) -> Step {
        let code = answer[3] & 0x0f
        if code == 2 || code == 5, !servers.isEmpty { return ask(port: port, at: now) }
        close()
        return .answer(answer)
    }

    mutating func close() {
        if socket >= 0 { Glibc.close(socket) }
        socket = -1
    }
}
