#if Hummingbird
internal import NIOCore
internal import NIOHTTP2
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP2

/// Watches one stream of HTTP/2: whether its client still sends what it promised and takes what waits for it, and how
/// long its body is. Has no timer of its own; the connection looks at all its streams now and then.
final class HTTP2StreamHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// A longer piece of a body is cut into such ones, so that a client which takes it slowly is seen to take it.
    private static let piece = 64 * 1024
    /// Between the answer to a request that was cut short and the end of its stream.
    private static let lingering: TimeAmount = .seconds(1)

    private let connection: HTTP2ConnectionHandler
    private let bodyLimit: Int?
    private var bodyLength = 0
    private var isReceiving = false
    /// Somebody wants to have more of the body. While nobody does, the client cannot be blamed for sending nothing.
    private var isAwaited = false
    private var hasAborted = false
    private var isAnswered = false
    private var isClosed = false
    private var lastReceived = NIODeadline.distantPast
    /// Pieces of the answer that the client has made no room for yet.
    private var pendingPieces = 0
    private var lastTaken = NIODeadline.distantPast
    private var context: ChannelHandlerContext?

    init(_ connection: HTTP2ConnectionHandler, bodyLimit: Int?) {
        self.connection = connection
        self.bodyLimit = bodyLimit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        lastReceived = context.eventLoop.now
        connection.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        connection.remove(self)
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        context.fireChannelInactive()
    }

    // MARK: - Receiving

    func read(context: ChannelHandlerContext) {
        // What comes now is of no use, and may fill the window.
        if hasAborted, isAnswered { return }
        if !isAwaited {
            isAwaited = true
            lastReceived = context.eventLoop.now
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isAwaited = false
        switch unwrapInboundIn(data) {
        case .head: isReceiving = true
        case .body(let bytes):
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

    // MARK: - Sending

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head: context.write(data, promise: promise)
        case .body(var bytes):
            while bytes.readableBytes > Self.piece, let piece = bytes.readSlice(length: Self.piece) {
                context.write(wrapOutboundOut(.body(piece)), promise: watched(context, nil))
            }
            context.write(wrapOutboundOut(.body(bytes)), promise: watched(context, promise))
        case .end:
            isAnswered = true
            let taken = watched(context, promise)
            if hasAborted {
                // Nobody reads the rest of the request. Some clients lose the answer when they learn it with the answer.
                _ = context.eventLoop.assumeIsolated().scheduleTask(in: Self.lingering) { [self] in
                    if isReceiving, !isClosed { close(context: context, mode: .all, promise: nil) }
                }
            }
            context.write(data, promise: taken)
        }
    }

    private func watched(
        _ context: ChannelHandlerContext,
        _ promise: EventLoopPromise<Void>?
    ) -> EventLoopPromise<Void> {
        let loop = context.eventLoop
        if pendingPieces == 0 { lastTaken = loop.now }
        pendingPieces += 1
        let taken = loop.makePromise(of: Void.self)
        taken.futureResult.assumeIsolated().whenComplete { [self] _ in
            pendingPieces -= 1
            lastTaken = loop.now
        }
        if let promise { taken.futureResult.cascade(to: promise) }
        return taken
    }

    // MARK: - The end

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .all, isAnswered, pendingPieces == 0, isReceiving, !isClosed {
            // Who has its whole answer is only asked to send no more (RFC 9113 section 8.1). NIO says CANCEL at a close, and
            // then clients throw the answer away.
            context.triggerUserOutboundEvent(NIOHTTP2FramePayloadToHTTPEvent.reset(code: .noError), promise: nil)
        }
        context.close(mode: mode, promise: promise)
    }

    /// Called by the connection, on its loop.
    func endIfStuck(_ now: NIODeadline, _ timeouts: HTTPTimeouts) {
        guard let context else { return }
        if pendingPieces > 0, now - lastTaken > timeouts.response {
            context.close(promise: nil)
        } else if isReceiving, isAwaited || hasAborted, now - lastReceived > timeouts.requestBody {
            // Who has had its error and has not answered is ended.
            if hasAborted { close(context: context, mode: .all, promise: nil) } else { abort(context, .tooSlow) }
        }
    }

    private func abort(_ context: ChannelHandlerContext, _ error: RequestAborted) {
        hasAborted = true
        lastReceived = context.eventLoop.now
        context.fireErrorCaught(error)
    }
}

@available(*, unavailable)
extension HTTP2StreamHandler: Sendable {}
#endif
