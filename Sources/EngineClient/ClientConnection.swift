import HTTPMessages
import HTTPTransport
import NIOCore
import NIOPosix
import Synchronization

/// One connection to an engine: a request, its answer, and raw bytes where the engine hands the connection over.
final class ClientConnection: Sendable {
    private struct State {
        var received = ByteQueue()
        var head = MessageHead()
        /// Nil once the connection is raw.
        var body: BodyDecoder?
        var upload: Task<Void, Never>?
        /// Why the request's body could not be produced.
        var uploadFailure: (any Error)?
    }

    private let bytes: ByteChannel
    private let method: Mutex<String> = Mutex("")
    private let state = Mutex(State())

    private init(_ bytes: ByteChannel) { self.bytes = bytes }

    static func open(_ address: EngineAddress, group: any EventLoopGroup) async throws -> ClientConnection {
        let bootstrap = ClientBootstrap(group: group)
        let initialise = { @Sendable (channel: any Channel) in
            channel.eventLoop.makeCompletedFuture { try ByteChannel(channel: channel) }
        }
        switch address {
        case .unix(let path):
            return ClientConnection(
                try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: initialise))
        case .tcp(let host, let port):
            return ClientConnection(try await bootstrap.connect(host: host, port: port, channelInitializer: initialise))
        }
    }

    func writeHead(
        _ method: String, _ target: String, host: String, _ headers: [(String, String)], _ body: EngineRequestBody,
        isUpgrade: Bool
    ) async throws {
        var head = RequestHead(method: method, target: target, headers: ["Host": host, "User-Agent": "martlet"])
        for (name, value) in headers { head.headers.add(name, value) }
        if isUpgrade {
            head.headers["Connection"] = "Upgrade"
            head.headers["Upgrade"] = "tcp"
        } else {
            head.headers["Connection"] = "close"
        }
        switch body {
        case .none:
            if method != "GET", method != "HEAD" { head.headers["Content-Length"] = "0" }
        case .bytes(let bytes, let contentType):
            head.headers["Content-Type"] = contentType
            head.headers["Content-Length"] = String(bytes.count)
        case .stream(let contentType, _):
            head.headers["Content-Type"] = contentType
            head.headers["Transfer-Encoding"] = "chunked"
        }
        self.method.withLock { $0 = method }
        try await bytes.send(head.serialized())
    }

    /// Sends the body beside waiting for the answer, since an engine may answer before it has taken in all of it.
    func sendBody(_ body: EngineRequestBody) async throws -> ResponseHead {
        let upload = Task { [bytes] in
            do {
                switch body {
                case .none: break
                case .bytes(let content, _): try await bytes.send(content)
                case .stream(_, let next):
                    while let piece = try await self.piece(next) {
                        if !piece.isEmpty { try await bytes.send(Chunk.encode(piece)) }
                    }
                    try await bytes.send(Chunk.last)
                }
            } catch {
                // The engine's answer, if it gave one, says why it does not take more.
            }
        }
        state.withLock { $0.upload = upload }
        return try await withTaskCancellationHandler {
            try await head()
        } onCancel: {
            upload.cancel()
        }
    }

    private func piece(_ next: @Sendable () async throws -> [UInt8]?) async throws -> [UInt8]? {
        do {
            return try await next()
        } catch {
            state.withLock { $0.uploadFailure = error }
            bytes.close()
            throw error
        }
    }

    private func head() async throws -> ResponseHead {
        let method = method.withLock { $0 }
        while true {
            let head = try state.withLock { state -> ResponseHead? in
                guard let head = try state.head.response(from: &state.received) else { return nil }
                if head.status == 101 || head.status >= 200 {
                    state.body = try BodyDecoder(response: head, method: method)
                }
                return head
            }
            if let head {
                if head.status == 101 || head.status >= 200 { return head }
                continue
            }
            guard let more = try await bytes.receive() else { throw try failure() }
            state.withLock { $0.received.append(more) }
        }
    }

    private func failure() throws -> EngineClientError {
        if let error = state.withLock({ $0.uploadFailure }) { throw error }
        return EngineClientError(status: 0, message: "the engine closed the connection before its answer was complete")
    }

    /// The next piece of the answer's body, or of the raw stream; nil at its end.
    func nextBody() async throws -> [UInt8]? {
        while true {
            let step = try state.withLock { state -> BodyDecoder.Step in
                guard state.body == nil else { return try state.body!.step(&state.received) }
                return state.received.isEmpty ? .needsMore : .piece(state.received.take(upTo: state.received.count))
            }
            switch step {
            case .piece(let piece): return piece
            case .end: return nil
            case .needsMore: break
            }
            if let more = try await bytes.receive() {
                state.withLock { $0.received.append(more) }
                continue
            }
            do {
                try state.withLock { try $0.body?.finish() }
            } catch {
                throw try failure()
            }
            return nil
        }
    }

    /// From here on bytes pass as they are.
    func becomeRaw() async throws {
        await state.withLock({ $0.upload })?.value
        state.withLock { $0.body = nil }
    }

    func writeRaw(_ content: [UInt8]) async throws { try await bytes.send(content) }

    func closeOutput() async throws { try await bytes.finishSending() }

    func close() {
        state.withLock { $0.upload }?.cancel()
        bytes.close()
    }
}
