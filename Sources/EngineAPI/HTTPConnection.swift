import HTTPMessages
import HTTPTransport
import Logging
import NIOCore
import Synchronization

/// One client's connection: requests one after the other, each answered before the next is read, until it ends or
/// becomes raw. Bytes that follow a request stay in the queue, whatever the answer, so that a refused upgrade changes
/// nothing.
final class HTTPConnection: Sendable {
    /// How much of a body that a route left unread is taken in to keep the connection, in bytes.
    static let drainLimit = 256 << 10
    /// How long a closing connection waits for its client to stop sending.
    static let lingerTime = Duration.seconds(1)
    /// How long a request with an end of its own may go on after the server was asked to stop.
    static let quiesceTime = TimeAmount.seconds(10)

    struct State {
        var received = ByteQueue()
        var head = MessageHead()
        var body: BodyDecoder?
        /// Whether the client waits for a word before it sends its body.
        var awaitsContinue = false
    }

    let bytes: ByteChannel
    private let respond: @Sendable (RequestHead, RequestBody) async -> APIResponse
    private let logger: Logger
    let state = Mutex(State())

    init(
        _ bytes: ByteChannel, logger: Logger,
        respond: @escaping @Sendable (RequestHead, RequestBody) async -> APIResponse
    ) {
        self.bytes = bytes
        self.logger = logger
        self.respond = respond
    }

    /// Serves the connection to its end.
    func run() async {
        defer { bytes.close() }
        do {
            while try await serveOne() {}
            try await linger()
        } catch {
            logger.trace("connection ended", metadata: ["reason": "\(error)"])
        }
    }

    /// Serves one request; false when the connection shall end.
    private func serveOne() async throws -> Bool {
        let head: RequestHead
        do {
            bytes.watch { [bytes] event in if case .interrupted = event { bytes.close() } }
            guard let next = try await nextHead() else { return false }
            head = next
            let body = try BodyDecoder(request: head)
            state.withLock { state in
                state.body = body
                state.awaitsContinue = head.headers.contains("expect", token: "100-continue")
            }
        } catch let error as HTTPError {
            guard error != .truncated else { return false }
            let exchange = Exchange(self, RequestHead(method: "GET", target: "/", headers: ["Connection": "close"]))
            _ = try await exchange.send(.failure(error))
            return false
        }
        // A stream watches the connection itself, so the answer may not begin before this watch does.
        let cancellation = Cancellation()
        bytes.watch { [bytes] event in
            guard case .interrupted = event else { return }
            bytes.channel.eventLoop.scheduleTask(in: Self.quiesceTime) { cancellation.cancel() }
        }
        let work = Task { try await answer(head) }
        cancellation.concerns(work)
        return try await withTaskCancellationHandler {
            try await work.value
        } onCancel: {
            work.cancel()
        }
    }

    private func answer(_ head: RequestHead) async throws -> Bool {
        let response = await respond(head, RequestBody(self))
        try Task.checkCancellation()
        let exchange = Exchange(self, head)
        guard try await exchange.send(response) else { return false }
        return try await drain()
    }

    private func nextHead() async throws -> RequestHead? {
        while true {
            if let head = try state.withLock({ try $0.head.request(from: &$0.received) }) { return head }
            guard let more = try await bytes.receive() else {
                if state.withLock({ !$0.received.isEmpty }) { throw HTTPError.truncated }
                return nil
            }
            state.withLock { $0.received.append(more) }
        }
    }

    /// Lets a client that waits for it send its body.
    func invite() async throws {
        let mustInvite = state.withLock { state in
            defer { state.awaitsContinue = false }
            return state.awaitsContinue
        }
        if mustInvite { try await bytes.send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
    }

    /// The next piece of the current request's body; nil at its end.
    func nextBody() async throws -> [UInt8]? {
        while true {
            switch try state.withLock({ try $0.body?.step(&$0.received) ?? .end }) {
            case .piece(let piece): return piece
            case .end: return nil
            case .needsMore: break
            }
            try await invite()
            guard let more = try await bytes.receive() else { throw HTTPError.truncated }
            state.withLock { $0.received.append(more) }
        }
    }

    /// Takes in the rest of the body; false where it is too long, so that the connection cannot be kept.
    func drain() async throws -> Bool {
        if state.withLock({ $0.awaitsContinue && $0.body?.isAtEnd == false }) { return false }
        var drained = 0
        while let piece = try await nextBody() {
            drained += piece.count
            if drained > Self.drainLimit { return false }
        }
        return true
    }

    /// Ends our direction and takes in what still comes, so that the client can read the answer to its end.
    private func linger() async throws {
        try await bytes.finishSending()
        bytes.watch(nil)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [bytes] in while try await bytes.receive() != nil {} }
            group.addTask { try await Task.sleep(for: Self.lingerTime) }
            try await group.next()
            group.cancelAll()
        }
    }

    /// Bytes of a raw connection: those already here, then those to come; nil at the end.
    func nextRaw() async throws -> [UInt8]? {
        let early = state.withLock { $0.received.take(upTo: $0.received.count) }
        return early.isEmpty ? try await bytes.receive() : early
    }
}

/// The wish that a task end, which may come before the task.
private final class Cancellation: Sendable {
    private struct State {
        var task: Task<Bool, any Error>?
        var isWanted = false
    }

    private let state = Mutex(State())

    func concerns(_ task: Task<Bool, any Error>) {
        let isWanted = state.withLock { state in
            state.task = task
            return state.isWanted
        }
        if isWanted { task.cancel() }
    }

    func cancel() {
        let task = state.withLock { state in
            state.isWanted = true
            return state.task
        }
        task?.cancel()
    }
}

/// The body of a request, taken piece by piece.
struct RequestBody: Sendable {
    private let connection: HTTPConnection

    init(_ connection: HTTPConnection) { self.connection = connection }

    /// The next piece; nil at the end. A body cut short throws.
    func next() async throws -> [UInt8]? { try await connection.nextBody() }

    /// The whole body.
    func bytes(limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await next() {
            guard bytes.count + piece.count <= limit else { throw BodyTooLarge(limit: limit) }
            bytes += piece
        }
        return bytes
    }
}

/// A connection that a route took over.
struct HijackedConnection: Sendable {
    private let connection: HTTPConnection

    init(_ connection: HTTPConnection) { self.connection = connection }

    /// The client's next bytes; nil when it ended its direction.
    func read() async throws -> [UInt8]? { try await connection.nextRaw() }

    func write(_ bytes: [UInt8]) async throws { try await connection.bytes.send(bytes) }

    /// Ends our direction.
    func finish() async throws { try await connection.bytes.finishSending() }
}
