#if NIO
internal import NIOCore

/// Replays the bytes that were read before the channel had the socket, ahead of anything that the socket still holds.
/// First in the pipeline, and gone when it has spoken.
final class PreludeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let prelude: ByteBuffer

    init(_ prelude: [UInt8]) {
        self.prelude = ByteBuffer(bytes: prelude)
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        guard context.channel.isActive else { return }
        context.fireChannelRead(wrapInboundOut(prelude))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
#endif
