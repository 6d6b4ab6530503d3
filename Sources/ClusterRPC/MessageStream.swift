import GRPCCore

/// Messages from a peer, in order. Iterating throws an `RPCFailure` where the stream breaks.
///
/// One consumer at a time; a second loop goes on where the first one stopped.
public struct MessageStream: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    public typealias Failure = RPCFailure

    private let source: Source

    init(_ messages: RPCAsyncSequence<[UInt8], any Error>) { source = Source(messages) }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(source: source) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let source: Source

        public mutating func next() async throws(RPCFailure) -> [UInt8]? { try await next(isolation: nil) }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(RPCFailure) -> [UInt8]? {
            do { return try await source.next(isolation: actor) } catch { throw RPCFailure(receiving: error) }
        }
    }

    fileprivate final class Source: @unchecked Sendable {
        // SAFETY: the stream has one consumer at a time, which its documentation demands; gRPC's sequence allows no
        // other.
        private var iterator: RPCAsyncSequence<[UInt8], any Error>.AsyncIterator
        private var isAtEnd = false

        init(_ messages: RPCAsyncSequence<[UInt8], any Error>) { iterator = messages.makeAsyncIterator() }

        func next(isolation actor: isolated (any Actor)?) async throws -> [UInt8]? {
            if isAtEnd { return nil }
            do {
                let message = try await iterator.next(isolation: actor)
                isAtEnd = message == nil
                return message
            } catch {
                isAtEnd = true
                throw error
            }
        }
    }
}

/// Writes messages to a peer, in order. A write waits while the peer does not keep up.
public struct MessageWriter: Sendable {
    private let target: RPCWriter<[UInt8]>

    init(_ target: RPCWriter<[UInt8]>) { self.target = target }

    /// Sends one message of at most `RPCLimits.messageBytes`.
    public func write(_ message: [UInt8]) async throws(RPCFailure) {
        guard message.count <= RPCLimits.messageBytes else {
            throw RPCFailure(
                .tooLarge, "a message of \(message.count) bytes; \(RPCLimits.messageBytes) are allowed",
                source: .transport)
        }
        do { try await target.write(message) } catch { throw RPCFailure(receiving: error) }
    }

    /// Sends several messages, each of at most `RPCLimits.messageBytes`.
    public func write(_ messages: [[UInt8]]) async throws(RPCFailure) {
        for message in messages { try await write(message) }
    }
}
