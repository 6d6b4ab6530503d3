import NIOCore
import Synchronization

/// A connection as a stream of bytes each way, read when somebody asks for more.
///
/// One reader and one writer at a time. Nothing is read from the socket beyond one read ahead of the reader, so a slow
/// reader slows its peer. Either direction ends by itself.
public final class ByteChannel: Sendable {
    /// What a watcher is told.
    public enum Event: Sendable {
        /// The peer ended its direction.
        case peerEnded
        /// The connection is gone.
        case closed
        /// `interrupt` was called, or the server quiesces: what has no end of its own shall end.
        case interrupted
    }

    private struct State {
        var pieces: [[UInt8]] = []
        var next = 0
        /// Set when no more pieces come: nil inside for the peer's orderly end.
        var end: (any Error)??
        var waiter: CheckedContinuation<[UInt8]?, any Error>?
        var watcher: (@Sendable (Event) -> Void)?
        var events: [Event] = []
    }

    public let channel: any Channel
    private let state = Mutex(State())

    /// Takes over a channel that carries bytes; call it where the channel is made, before it reads (its event loop).
    public init(channel: any Channel) throws {
        self.channel = channel
        try channel.syncOptions?.setOption(.autoRead, value: false)
        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        try channel.pipeline.syncOperations.addHandler(Handler(owner: self))
    }

    /// The next bytes; nil when the peer ended its direction. Cancelling the task throws `CancellationError`.
    public func receive() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<[UInt8]?, any Error>) in
                let outcome: Result<[UInt8]?, any Error>? = state.withLock { state in
                    if state.next < state.pieces.count {
                        let piece = state.pieces[state.next]
                        state.next += 1
                        if state.next == state.pieces.count {
                            state.pieces.removeAll(keepingCapacity: true)
                            state.next = 0
                        }
                        return .success(piece)
                    }
                    if let end = state.end { return end.map { .failure($0) } ?? .success(nil) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    precondition(state.waiter == nil, "a connection has one reader")
                    state.waiter = continuation
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) } else { channel.read() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    /// Sends bytes; returns when they are in the kernel's hands, so that a slow peer slows the sender.
    public func send(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    }

    /// Ends our direction after what was sent (shutdown(2), SHUT_WR).
    public func finishSending() async throws {
        do {
            try await channel.close(mode: .output)
        } catch ChannelError.alreadyClosed, ChannelError.outputClosed {
            return
        }
    }

    /// Ends the connection at once.
    public func close() { channel.close(mode: .all, promise: nil) }

    /// Calls `watcher` for each event from now on, and at once for those that were before. One read ahead keeps the
    /// connection watched. Nil stops watching.
    public func watch(_ watcher: (@Sendable (Event) -> Void)?) {
        let (events, mustRead) = state.withLock { state in
            state.watcher = watcher
            return (state.events, state.end == nil && state.pieces.isEmpty)
        }
        guard let watcher else { return }
        for event in events { watcher(event) }
        if mustRead { channel.read() }
    }

    /// Tells the watcher to end what has no end of its own.
    public func interrupt() { happened(.interrupted) }

    private func happened(_ event: Event) {
        let watcher = state.withLock { state in
            state.events.append(event)
            return state.watcher
        }
        watcher?(event)
    }

    fileprivate func received(_ bytes: [UInt8]) {
        let waiter = state.withLock { state in
            guard let waiter = state.waiter else {
                state.pieces.append(bytes)
                return nil as CheckedContinuation<[UInt8]?, any Error>?
            }
            state.waiter = nil
            return waiter
        }
        waiter?.resume(returning: bytes)
    }

    fileprivate func ended(_ error: (any Error)?) {
        let (isFirst, waiter) = state.withLock { state in
            guard state.end == nil else { return (false, nil as CheckedContinuation<[UInt8]?, any Error>?) }
            state.end = .some(error)
            defer { state.waiter = nil }
            return (true, state.waiter)
        }
        if let error { waiter?.resume(throwing: error) } else { waiter?.resume(returning: nil) }
        if isFirst { happened(.peerEnded) }
    }

    /// The channel's side, on its event loop.
    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let owner: ByteChannel

        init(owner: ByteChannel) { self.owner = owner }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let buffer = unwrapInboundIn(data)
            if buffer.readableBytes > 0 { owner.received(Array(buffer.readableBytesView)) }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            switch event {
            case ChannelEvent.inputClosed: owner.ended(nil)
            case is ChannelShouldQuiesceEvent: owner.interrupt()
            default: break
            }
            context.fireUserInboundEventTriggered(event)
        }

        func channelInactive(context: ChannelHandlerContext) {
            owner.ended(nil)
            owner.happened(.closed)
            context.fireChannelInactive()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            owner.ended(error)
            context.close(promise: nil)
        }
    }
}
