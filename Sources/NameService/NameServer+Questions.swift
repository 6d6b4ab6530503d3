import CLinux
import Glibc
import LinuxSystem
import Values

/// A client's TCP connection: questions with their length before them (RFC 1035 section 4.2.2).
struct ClientStream {
    let descriptor: Int32
    let sandbox: String
    var input: [UInt8] = []
    var output: [UInt8] = []
    /// Questions that wait for another server.
    var pending = 0
    var isAtEnd = false
    var deadline: Int64

    /// The most questions of one connection that wait.
    static let pendingLimit = 16
}

extension NameServer {
    /// The most datagrams of one sandbox that are answered before the others get their turn.
    private static let batch = 64
    /// The longest question over UDP, in bytes.
    private static let questionLimit = 4096

    func readDatagrams(_ sandbox: String) {
        guard let socket = sockets[sandbox]?.udp, isAnswering else { return }
        var buffer = [UInt8](repeating: 0, count: Self.questionLimit)
        for _ in 0..<Self.batch {
            var peer = PeerAddress(storage: sockaddr_storage(), length: socklen_t(MemoryLayout<sockaddr_storage>.size))
            let count = withUnsafeMutablePointer(to: &peer.storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &peer.length)
                }
            }
            if count < 0 { break }
            let message = buffer[..<count]
            switch table.answer(message, from: sandbox, overTCP: false) {
            case .ignore: continue
            case .reply(let answer): send(answer, to: peer, from: socket)
            case .forward(let query, let servers):
                forward(
                    ForwardedQuery(
                        message, query, to: servers, isStream: false, sandbox: sandbox,
                        client: .datagram(sandbox: sandbox, peer)))
            }
        }
        poller.arm(socket)
    }

    private func send(_ message: [UInt8], to peer: PeerAddress, from socket: Int32) {
        var peer = peer
        withUnsafeMutablePointer(to: &peer.storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(socket, message, message.count, Int32(MSG_DONTWAIT), $0, peer.length)
            }
        }
    }

    func acceptStreams(_ sandbox: String) {
        guard let listener = sockets[sandbox]?.tcp, isAnswering else { return }
        while true {
            let descriptor = cl_accept(listener)
            if descriptor < 0 { break }
            guard streams.count < Self.streamLimit else {
                close(descriptor)
                continue
            }
            let id = nextID()
            streams[id] = ClientStream(
                descriptor: descriptor, sandbox: sandbox, deadline: Clock.sinceBoot() + Self.streamTimeout)
            watch(descriptor, .stream(id))
        }
        poller.arm(listener)
    }

    func serveStream(_ id: Int) {
        guard var stream = streams[id] else { return }
        var buffer = [UInt8](repeating: 0, count: 16_384)
        reading: while !stream.isAtEnd, stream.input.count < 2 + DNSResponse.streamLimit {
            let count = recv(stream.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            switch count {
            case 0: stream.isAtEnd = true
            case ..<0:
                if errno == EINTR { continue }
                if errno != EAGAIN { return closeStream(id) }
                break reading
            default:
                stream.input += buffer[..<count]
                stream.deadline = Clock.sinceBoot() + Self.streamTimeout
            }
        }
        streams[id] = stream
        answerStream(id)
        writeStream(id)
    }

    /// Answers the whole questions that have arrived.
    private func answerStream(_ id: Int) {
        while let stream = streams[id], stream.input.count >= 2, stream.pending < ClientStream.pendingLimit {
            let length = Int(stream.input[0]) << 8 + Int(stream.input[1])
            guard stream.input.count >= 2 + length else { return }
            let message = Array(stream.input[2..<2 + length])
            streams[id]?.input.removeFirst(2 + length)
            switch table.answer(message[...], from: stream.sandbox, overTCP: true) {
            case .ignore: continue
            case .reply(let answer): append(answer, to: id)
            case .forward(let query, let servers):
                streams[id]?.pending += 1
                forward(
                    ForwardedQuery(
                        message[...], query, to: servers, isStream: true, sandbox: stream.sandbox, client: .stream(id)))
            }
        }
    }

    private func append(_ answer: [UInt8], to id: Int) {
        streams[id]?.output += DNSResponse.big(UInt16(answer.count)) + answer
    }

    private func writeStream(_ id: Int) {
        guard var stream = streams[id] else { return }
        while !stream.output.isEmpty {
            let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
            let sent = Glibc.send(stream.descriptor, stream.output, stream.output.count, flags)
            if sent < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { return closeStream(id) }
                break
            }
            stream.output.removeFirst(sent)
        }
        streams[id] = stream
        if stream.isAtEnd, stream.output.isEmpty, stream.pending == 0 { return closeStream(id) }
        // After the client's end there is nothing to read, which would be reported again and again.
        if !stream.output.isEmpty {
            poller.arm(stream.descriptor, stream.isAtEnd ? .write : .both)
        } else if !stream.isAtEnd, stream.pending < ClientStream.pendingLimit {
            poller.arm(stream.descriptor)
        }
    }

    func closeStream(_ id: Int) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        forget(stream.descriptor)
        close(stream.descriptor)
    }

    // MARK: Other servers

    private func forward(_ query: ForwardedQuery) {
        let own = forwards.values.reduce(0) { $0 + ($1.sandbox == query.sandbox ? 1 : 0) }
        guard forwards.count < Self.forwardLimit, own < Self.forwardLimitPerSandbox else {
            return deliver(query, DNSResponse(query: query.query, code: .serverFailure).wire(overTCP: query.isStream))
        }
        let id = nextID()
        forwards[id] = query
        retry(id)
    }

    /// Asks the next server.
    func retry(_ id: Int) {
        step(id) { $0.ask(port: $1, at: $2) }
    }

    func proceed(_ id: Int) {
        step(id) { $0.proceed(port: $1, at: $2) }
    }

    private func step(_ id: Int, _ body: (inout ForwardedQuery, UInt16, Int64) -> ForwardedQuery.Step) {
        guard var query = forwards[id] else { return }
        if query.socket >= 0 { forget(query.socket) }
        let result = body(&query, upstreamPort, Clock.sinceBoot())
        switch result {
        case .waiting(let writes):
            forwards[id] = query
            watch(query.socket, .forward(id), writes ? .write : .read)
        case .answer(let answer):
            forwards[id] = nil
            deliver(query, answer)
        case .failed:
            forwards[id] = nil
            query.close()
            deliver(query, DNSResponse(query: query.query, code: .serverFailure).wire(overTCP: query.isStream))
        }
    }

    private func deliver(_ query: ForwardedQuery, _ answer: [UInt8]) {
        switch query.client {
        case .datagram(let sandbox, let peer):
            if let socket = sockets[sandbox]?.udp { send(answer, to: peer, from: socket) }
        case .stream(let id):
            guard streams[id] != nil else { return }
            streams[id]?.pending -= 1
            append(answer, to: id)
            answerStream(id)
            writeStream(id)
        }
    }

    /// Whether questions are taken from the sandboxes' sockets.
    var isAnswering: Bool { if case .serving = phase { true } else { false } }
}
