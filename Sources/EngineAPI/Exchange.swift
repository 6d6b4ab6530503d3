import HTTPMessages
import HTTPTransport
import JSON

/// Writes one answer onto a connection in the form that its request asks for.
struct Exchange: Sendable {
    private let connection: HTTPConnection
    private let request: RequestHead

    init(_ connection: HTTPConnection, _ request: RequestHead) {
        self.connection = connection
        self.request = request
    }

    private var bytes: ByteChannel { connection.bytes }
    private var isHead: Bool { request.method == "HEAD" }

    /// Sends the answer; false when the connection cannot carry another one.
    func send(_ response: APIResponse) async throws -> Bool {
        var head = ResponseHead(status: response.status, headers: response.headers)
        let keepsAlive = request.keepsAlive
        if !keepsAlive { head.headers["Connection"] = "close" }
        if keepsAlive, request.minorVersion == 0 { head.headers["Connection"] = "keep-alive" }
        switch response.content {
        case .none:
            if response.status != 204, response.status != 304 { head.headers["Content-Length"] = "0" }
            try await bytes.send(head.serialized())
            return keepsAlive
        case .bytes(let content):
            head.headers["Content-Length"] = String(content.count)
            try await bytes.send(head.serialized() + (isHead ? [] : content))
            return keepsAlive
        case .stream(let body): return try await stream(head, body)
        case .hijack(let body):
            try await hijack(head, body)
            return false
        }
    }

    private func stream(
        _ head: ResponseHead, _ body: @escaping @Sendable (ResponseWriter) async throws -> Void
    ) async throws -> Bool {
        var head = head
        let isChunked = request.minorVersion >= 1
        if isChunked {
            head.headers["Transfer-Encoding"] = "chunked"
        } else {
            head.headers["Connection"] = "close"
        }
        // A stream that answers while it reads the body cannot ask for the body any more (RFC 9110 section 10.1.1).
        try await connection.invite()
        try await bytes.send(head.serialized())
        guard !isHead else { return isChunked && request.keepsAlive }
        let writer = ResponseWriter(bytes, isChunked: isChunked)
        try await run(endsWithPeer: true) { try await body(writer) }
        if isChunked { try await bytes.send(Chunk.last) }
        return isChunked && request.keepsAlive
    }

    private func hijack(
        _ head: ResponseHead, _ body: @escaping @Sendable (HijackedConnection) async throws -> Void
    ) async throws {
        var head = head
        head.headers["Connection"] = nil
        if request.headers["upgrade"] != nil {
            head = ResponseHead(status: 101, headers: head.headers)
            head.headers["Connection"] = "Upgrade"
            head.headers["Upgrade"] = "tcp"
        }
        // What follows the request is the stream; what the route left of its body is not.
        guard try await connection.drain() else { return }
        try await bytes.send(head.serialized())
        // A client without input for the process ends its direction at once and reads on.
        try await run(endsWithPeer: false) { try await body(HijackedConnection(connection)) }
    }

    /// Runs `work` and cancels it when the connection goes, the server stops or, where asked, the client's direction
    /// ends.
    private func run(endsWithPeer: Bool, _ work: @escaping @Sendable () async throws -> Void) async throws {
        let task = Task { try await work() }
        bytes.watch { event in
            if case .peerEnded = event, !endsWithPeer { return }
            task.cancel()
        }
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}

/// Writes the body of a streamed answer.
struct ResponseWriter: Sendable {
    private let bytes: ByteChannel
    private let isChunked: Bool

    init(_ bytes: ByteChannel, isChunked: Bool) {
        self.bytes = bytes
        self.isChunked = isChunked
    }

    /// Returns when the bytes are in the kernel's hands.
    func write(_ content: [UInt8]) async throws {
        guard !content.isEmpty else { return }
        try await bytes.send(isChunked ? Chunk.encode(content) : content)
    }

    /// A JSON value and a line feed.
    func write(line value: JSONValue) async throws { try await write(value.serialized() + [0x0a]) }
}
