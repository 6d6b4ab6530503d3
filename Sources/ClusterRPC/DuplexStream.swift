import GRPCCore

/// A stream in both directions as one scope: gRPC gives its two directions to two closures.
struct DuplexStream: Sendable {
    let connection: PeerConnection
    let method: MethodDescriptor
    let metadata: Metadata
    /// Whether to wait for a connection instead of failing while there is none.
    var waitForReady = false
    /// How long the peer may take to end the stream after this side has.
    private static let farewell: Duration = .seconds(1)

    /// Runs `body` once the peer has accepted the stream, with its two directions.
    func run<Result: Sendable>(
        timeout: Duration, _ body: @escaping @Sendable (MessageStream, MessageWriter) async throws -> Result
    ) async throws -> Result {
        let watchdog = Watchdog(limit: timeout)
        return try await watchdog.guarding {
            try await run(onAccept: watchdog.pause, body)
        }
    }

    /// The same without a limit of time.
    func run<Result: Sendable>(
        onAccept: @escaping @Sendable () -> Void,
        _ body: @escaping @Sendable (MessageStream, MessageWriter) async throws -> Result
    ) async throws -> Result {
        let writers = AsyncStream.makeStream(of: RPCWriter<[UInt8]>.self)
        let end = AsyncStream.makeStream(of: Void.self)
        let request = StreamingClientRequest<[UInt8]>(metadata: metadata) { writer in
            writers.continuation.yield(writer)
            for await _ in end.stream {}
        }
        do {
            return try await connection.client.bidirectionalStreaming(
                request: request, descriptor: method, serializer: RawBytes(), deserializer: RawBytes(),
                options: PeerConnection.options(timeout: nil, waitForReady: waitForReady)
            ) { response in
                if case .failure(let error) = response.accepted { throw error }
                guard let writer = await writers.stream.first(where: { _ in true }) else { throw CancellationError() }
                let inbound = MessageStream(response.messages)
                onAccept()
                let result: Result
                do { result = try await body(inbound, MessageWriter(writer)) } catch { throw BodyError(cause: error) }
                // Everything written reaches the peer before the stream ends.
                end.continuation.finish()
                await Self.drain(inbound)
                return result
            }
        } catch let error as BodyError {
            if let failure = error.cause as? RPCFailure { throw connection.failure(failure) }
            throw error.cause
        } catch {
            throw connection.failure(error)
        }
    }

    private static func drain(_ inbound: MessageStream) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { do { for try await _ in inbound {} } catch {} }
            group.addTask { try? await Task.sleep(for: farewell) }
            await group.next()
            group.cancelAll()
        }
    }
}
