#if Hummingbird
internal import NIOCore
internal import NIOHTTPTypes

/// Watches one stream of HTTP/2: whether its client still sends what it promised and takes what waits for it, and how
/// long its body is. Has no timer of its own; the connection looks at all its streams now and then.
final class HTTP2StreamHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let connection: HTTP2ConnectionHandler
    private let bodyLimit: Int?
    private var bodyLength = 0
    private var isReceiving = false
    private var isBlocked = false
    private var hasAborted = false
    private var lastProgress = NIODeadline.distantPast
    private var context: ChannelHandlerContext?

    init(_ connection: HTTP2ConnectionHandler, bodyLimit: Int?) {
        self.connection = connection
        self.bodyLimit = bodyLimit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        lastProgress = context.eventLoop.now
        connection.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        connection.remove(self)
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: isReceiving = true
        case .body(let bytes):
            lastProgress = context.eventLoop.now
            bodyLength += bytes.readableBytes
            if let bodyLimit, bodyLength > bodyLimit {
                if !hasAborted { abort(context, .tooLarge(bodyLimit)) }
                return
            }
        case .end:
            isReceiving = false
            if hasAborted { return }
        }
        context.fireChannelRead(data)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isBlocked = !context.channel.isWritable
        lastProgress = context.eventLoop.now
        context.fireChannelWritabilityChanged()
    }

    /// Called by the connection, on its loop.
    func endIfStuck(_ now: NIODeadline, _ timeouts: HTTPTimeouts) {
        guard let context else { return }
        if isBlocked, now - lastProgress > timeouts.response {
            context.close(promise: nil)
        } else if isReceiving, !isBlocked, now - lastProgress > timeouts.requestBody {
            // Who has had its error and has not answered is ended.
            if hasAborted { context.close(promise: nil) } else { abort(context, .tooSlow) }
        }
    }

    private func abort(_ context: ChannelHandlerContext, _ error: RequestAborted) {
        hasAborted = true
        lastProgress = context.eventLoop.now
        context.fireErrorCaught(error)
    }
}

@available(*, unavailable)
extension HTTP2StreamHandler: Sendable {}
#endif
