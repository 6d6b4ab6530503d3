import GRPCCore
import Logging
import Synchronization

/// Sends Raft messages to one member, in order, over a connection of its own.
///
/// It never waits and never repeats: what does not fit the queue, or is on its way when the connection breaks, is lost,
/// which Raft expects. A lost connection is opened again after 100 ms, and at most 1 s.
public final class RaftChannel: Sendable {
    private let queue = RaftQueue()
    private let task: Task<Void, Never>

    /// - Parameter connection: what a stream goes over, and what its beginning says of this host.
    init(
        peer: ClusterPeer, logger: Logger,
        connection: @escaping @Sendable () throws -> (connection: PeerConnection, metadata: Metadata)
    ) {
        let queue = queue
        var logger = logger
        logger[metadataKey: "peer"] = "\(peer)"
        task = Task { [logger] in
            var backoff = RPCLimits.reconnectBackoff.lowerBound
            while !Task.isCancelled {
                do {
                    try await Self.stream(queue, over: connection)
                    backoff = RPCLimits.reconnectBackoff.lowerBound
                } catch {
                    logger.debug("the Raft stream to a peer ended", metadata: ["error": "\(error)"])
                    if queue.wasConnected { backoff = RPCLimits.reconnectBackoff.lowerBound }
                }
                queue.disconnect()
                try? await Task.sleep(for: backoff)
                backoff = min(backoff * 2, RPCLimits.reconnectBackoff.upperBound)
            }
        }
    }

    deinit { task.cancel() }

    private static func stream(
        _ queue: RaftQueue, over connection: () throws -> (connection: PeerConnection, metadata: Metadata)
    ) async throws {
        let (connection, metadata) = try connection()
        let stream = DuplexStream(
            connection: connection, method: ClusterMethods.raft, metadata: metadata, waitForReady: true)
        try await stream.run(onAccept: queue.connect) { inbound, outbound in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { for try await _ in inbound {} }
                group.addTask { while let messages = await queue.next() { try await outbound.write(messages) } }
                defer { group.cancelAll() }
                // The peer ends the stream, or a write fails, or the channel is closed.
                try await group.next()
            }
        }
    }

    /// Queues a message; false where it was dropped, because there is no connection or the queue is full.
    @discardableResult
    public func send(_ message: [UInt8]) -> Bool { queue.append(message) }

    /// Whether the member has accepted the stream and not lost it since.
    public var isConnected: Bool { queue.isConnected }

    /// Ends the channel; what still waits is dropped.
    public func close() {
        queue.disconnect()
        task.cancel()
    }
}

/// The messages that wait for a stream, bounded in number and bytes.
final class RaftQueue: Sendable {
    private struct State {
        var messages: [[UInt8]] = []
        var bytes = 0
        var isConnected = false
        var wasConnected = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    var isConnected: Bool { state.withLock { $0.isConnected } }
    /// Whether the last stream had been accepted.
    var wasConnected: Bool { state.withLock { $0.wasConnected } }

    func connect() {
        state.withLock {
            $0.isConnected = true
            $0.wasConnected = true
        }
    }

    func disconnect() {
        state.withLock {
            $0.isConnected = false
            $0.wasConnected = false
            $0.messages = []
            $0.bytes = 0
        }
    }

    func append(_ message: [UInt8]) -> Bool {
        let (isQueued, waiter) = state.withLock { state in
            guard state.isConnected, message.count <= RPCLimits.messageBytes,
                state.messages.count < RPCLimits.raftQueueMessages,
                state.bytes + message.count <= RPCLimits.raftQueueBytes
            else { return (false, nil as CheckedContinuation<Void, Never>?) }
            state.messages.append(message)
            state.bytes += message.count
            defer { state.waiter = nil }
            return (true, state.waiter)
        }
        waiter?.resume()
        return isQueued
    }

    /// What waits, all at once; waits for a first message. Nil when the task is cancelled. One caller at a time.
    func next() async -> [[UInt8]]? {
        while !Task.isCancelled {
            let messages = state.withLock { state in
                defer {
                    state.messages = []
                    state.bytes = 0
                }
                return state.messages
            }
            if !messages.isEmpty { return messages }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isReady = state.withLock { state in
                        if !state.messages.isEmpty || Task.isCancelled { return true }
                        state.waiter = continuation
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                let waiter = state.withLock { state in
                    defer { state.waiter = nil }
                    return state.waiter
                }
                waiter?.resume()
            }
        }
        return nil
    }
}
