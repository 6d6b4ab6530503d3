import NIOCore

/// Closes a connection that says nothing for too long: from its beginning until the TLS handshake is done, and later
/// between two signs of life.
///
/// gRPC's own keepalive asks, but a server of it only begins an orderly end when no answer comes, which a dead client
/// never completes.
final class SilenceLimit: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    /// Silence is counted in looks of this event loop, so that a host which was itself frozen or starved does not
    /// hold that time against its peers.
    private static let looks = 6
    private var silentLooks = 0
    private var watch: RepeatedTask?

    func handlerAdded(context: ChannelHandlerContext) {
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let channel = context.channel
        let pause = TimeAmount(RPCLimits.silence / Self.looks)
        watch = context.eventLoop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { _ in
            handler.value.silentLooks += 1
            guard handler.value.silentLooks >= Self.looks else { return }
            handler.value.watch?.cancel()
            channel.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { watch?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        watch?.cancel()
        context.fireChannelInactive()
    }

    /// What arrives here was decrypted: the handshake is done.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        silentLooks = 0
        context.fireChannelRead(data)
    }
}
