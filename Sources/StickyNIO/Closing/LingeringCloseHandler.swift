#if NIO
public import NIOCore

/// Stands first in a pipeline without TLS and makes `close` patient: what was written is flushed, our direction is
/// shut down, and the channel closes when the client has ended its own or 2 s have passed. An answer is never cut by
/// the reset with which the system answers bytes that nobody will read.
public final class LingeringCloseHandler: ChannelDuplexHandler {
    /// Bytes.
    public typealias InboundIn = ByteBuffer
    /// Bytes.
    public typealias InboundOut = ByteBuffer
    /// Bytes or files.
    public typealias OutboundIn = IOData
    /// Bytes or files.
    public typealias OutboundOut = IOData

    /// The facts of the hand-off, when the channel was adopted.
    public let connection: StickyConnectionInfo?

    private let closing: LingeringClose
    private var closeIsWanted = false
    private var inputHasEnded = false

    /// A handler for one channel.
    public convenience init(connection: StickyConnectionInfo? = nil) {
        self.init(connection: connection, limits: LingeringClose.Limits())
    }

    init(connection: StickyConnectionInfo?, limits: LingeringClose.Limits) {
        self.connection = connection
        closing = LingeringClose(limits: limits)
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !closing.isActive { context.fireChannelRead(data) }
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        if closing.isActive { context.read() } else { context.fireChannelReadComplete() }
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            inputHasEnded = true
            closing.inputEnded(context)
        }
        context.fireUserInboundEventTriggered(event)
    }

    public func channelInactive(context: ChannelHandlerContext) {
        closing.ended()
        context.fireChannelInactive()
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        closing.ended()
    }

    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        // With the client's direction at its end, that of ours ends the connection.
        guard mode == .all || mode == .output && inputHasEnded else {
            return context.close(mode: mode, promise: promise)
        }
        guard context.channel.isActive else { return context.close(mode: mode, promise: promise) }
        closing.add(promise)
        guard !closeIsWanted else { return }
        closeIsWanted = true
        // A tick later, so that what handlers above still write in this one goes out too.
        context.eventLoop.assumeIsolated().execute { [self] in
            context.flush()
            closing.begin(context, inputEnded: inputHasEnded)
        }
    }
}

@available(*, unavailable)
extension LingeringCloseHandler: Sendable {}
#endif
