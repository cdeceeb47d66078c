#if Hummingbird
internal import NIOCore
internal import NIOTLS
internal import StickyNIO

/// Waits for the end of the TLS handshake and then fills the pipeline. Everything that it lets through before is an
/// error or the end.
final class HandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let fill: (any Channel) throws -> Void
    private var drain: StickyDrainEvent?

    /// - Parameter fill: Adds the handlers of the protocol that was agreed on, at the end of the pipeline.
    init(_ fill: @escaping (any Channel) throws -> Void) {
        self.fill = fill
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? StickyDrainEvent { drain = event }
        guard case .handshakeCompleted? = event as? TLSUserEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        do {
            try fill(context.channel)
        } catch {
            context.fireErrorCaught(error)
            return context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
        // The new handlers have missed it.
        if let drain { context.fireUserInboundEventTriggered(drain) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}

@available(*, unavailable)
extension HandshakeHandler: Sendable {}
#endif
