import HTTPTransport
import LinuxSystem
import NIOCore
import NIOPosix

/// Joins streams of HTTP with code that reads or writes a descriptor, through a pipe whose other end is ours.
enum DescriptorStream {
    /// Runs `work` with a descriptor from which the body can be read; what `work` leaves unread is dropped.
    static func reading<Value: Sendable>(
        _ body: RequestBody, _ work: @escaping @Sendable (Int32) async throws -> Value
    ) async throws -> Value {
        let (read, write) = try Descriptor.pipe()
        let reader = Descriptor(owning: read)
        let writer = try await channel(write) { $0.takingOwnershipOfDescriptor(output: $1) }
        let feeder = Task {
            defer { writer.close() }
            while let piece = try await body.next() { try await writer.send(piece) }
        }
        defer { feeder.cancel() }
        let value = try await work(reader.rawValue)
        _ = consume reader
        return value
    }

    /// Runs `work` with a descriptor whose bytes go to `writer`.
    static func writing(
        to writer: ResponseWriter, _ work: @escaping @Sendable (Int32) async throws -> Void
    ) async throws {
        let (read, write) = try Descriptor.pipe()
        let reader = try await channel(read) { $0.takingOwnershipOfDescriptor(input: $1) }
        defer { reader.close() }
        let producer = Task {
            let end = Descriptor(owning: write)
            try await work(end.rawValue)
            _ = consume end
        }
        try await withTaskCancellationHandler {
            while let piece = try await reader.receive() { try await writer.write(piece) }
            try await producer.value
        } onCancel: {
            producer.cancel()
            reader.close()
        }
    }

    private static func channel(
        _ descriptor: Int32,
        _ connect: (NIOPipeBootstrap, Int32) -> EventLoopFuture<any Channel>
    ) async throws -> ByteChannel {
        let bootstrap = NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        let box = Box()
        _ = try await connect(
            bootstrap.channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { box.value = try ByteChannel(channel: channel) }
            }, descriptor
        ).get()
        return box.value!
    }

    /// Carries the channel out of its initializer, which runs before the future is fulfilled.
    private final class Box: @unchecked Sendable {
        // SAFETY: written once on the event loop before the future that the reader awaits is fulfilled.
        var value: ByteChannel?
    }
}
