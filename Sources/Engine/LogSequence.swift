import EngineModel
import Values

/// Which of a container's output to give (Engine API: ContainerLogs).
public struct LogOptions: Sendable {
    public var follow = false
    public var stdout = true
    public var stderr = true
    public var since: Timestamp?
    public var until: Timestamp?
    /// Only so many of the last lines; nil for all.
    public var tail: Int?

    public init() {}
}

/// One line, or a piece of a long one, that a container wrote.
public struct LogFrame: Hashable, Sendable {
    public enum Stream: UInt8, Sendable {
        case stdout = 1
        case stderr = 2
    }

    public var stream: Stream
    /// With its newline, where it ended with one.
    public var bytes: [UInt8]
    public var time: Timestamp

    public init(stream: Stream, bytes: [UInt8], time: Timestamp) {
        self.stream = stream
        self.bytes = bytes
        self.time = time
    }
}

/// The log of a container, oldest first; one that follows ends when the container does.
public struct LogSequence: AsyncSequence, Sendable {
    public typealias Element = LogFrame

    let engine: Engine
    let id: String
    let path: String
    let options: LogOptions

    public struct AsyncIterator: AsyncIteratorProtocol {
        let engine: Engine
        let id: String
        let follows: Bool
        let reader: LogReader
        var frames: [LogFrame] = []
        var position = 0
        var isDone = false
        var ticks: AsyncStream<Void>.Iterator?

        public mutating func next() async throws -> LogFrame? {
            while true {
                if position < frames.count {
                    defer { position += 1 }
                    return frames[position]
                }
                if isDone { return nil }
                // Asked before reading: what was written before the end is read after it is known.
                let mayGrow = follows ? await engine.mayWriteLog(id) : false
                if mayGrow, ticks == nil { ticks = await engine.logTicks(id).makeAsyncIterator() }
                let batch = try await reader.next()
                frames = batch.frames
                position = 0
                isDone = batch.isPastUntil || batch.isAtEnd && !mayGrow
                guard batch.isAtEnd, mayGrow, frames.isEmpty else { continue }
                _ = await ticks?.next()
                try Task.checkCancellation()
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            engine: engine, id: id, follows: options.follow, reader: LogReader(path: path, options: options))
    }
}
