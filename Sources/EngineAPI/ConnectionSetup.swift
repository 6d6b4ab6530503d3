import ClusterManager
import HTTPTransport
import HummingbirdCore
import Logging
import NIOCore

/// Hummingbird's server accepts connections; what they carry is ours, since attach and exec take them over.
struct ConnectionSetup: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let bytes: ByteChannel
        var channel: any Channel { bytes.channel }
    }

    let responder: Responder

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture { Value(bytes: try ByteChannel(channel: channel)) }
    }

    func handle(value: Value, logger: Logger) async {
        await RequestOrigin.$client.withValue(await ClientName.of(value.channel)) {
            await HTTPConnection(value.bytes, logger: logger, respond: responder.respond).run()
        }
    }
}
