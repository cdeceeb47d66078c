#if NIO
internal import NIOCore
internal import StickyTLS

/// What ends a handshake of ``OpenSSLServerHandler`` from outside: its deadline, and handshakes that it must make room for.
///
/// Unchecked: the handler and its context are only touched on the channel's loop.
final class HandshakeWatch: TLSHandshakeOwner, NIOScheduledCallbackHandler, @unchecked Sendable {
    private let handler: OpenSSLServerHandler
    private let context: ChannelHandlerContext
    private let loop: any EventLoop

    init(_ handler: OpenSSLServerHandler, _ context: ChannelHandlerContext) {
        self.handler = handler
        self.context = context
        loop = context.eventLoop
    }

    func handleScheduledCallback(eventLoop: some EventLoop) {
        handler.handshakeTimedOut(context)
    }

    func handshakeIsPassedOver() {
        loop.execute { [self] in handler.handshakePassedOver(context) }
    }
}
#endif
