#if Hummingbird
internal import NIOCore
internal import NIOHTTP2
internal import StickyNIO

/// Stands behind NIO's HTTP/2 handler and decides how long the connection lives: idle time, drain, floods, streams on
/// which nothing moves.
final class HTTP2ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias InboundOut = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let timeouts: HTTPTimeouts
    private let maximumRequests: Int?
    private let patience: TimeAmount
    private let firstRequestBy: NIODeadline?
    private var life = HTTP2Lifecycle()
    private var deadline = ConnectionDeadline()
    private var streams: [ObjectIdentifier: HTTP2StreamHandler] = [:]
    private var patienceTimer: Scheduled<Void>?
    private var context: ChannelHandlerContext?

    init(_ options: HTTPOptions, _ http2: HTTP2Options, firstRequestBy: NIODeadline? = nil) {
        timeouts = options.timeouts
        maximumRequests = options.limits.requestsPerConnection
        patience = http2.goAwayPatience
        self.firstRequestBy = firstRequestBy
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        life.closed()
        end()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .ping(let data, ack: true) = unwrapInboundIn(data).payload { follow(life.pingAnswered(data)) }
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is StickyDrainEvent: leave()
        case ChannelEvent.inputClosed: follow(life.inputEnded())
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// The connection's own errors end it; NIO has written GOAWAY with the code where the protocol asks for it. Errors
    /// of a stream come to the stream.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is NIOHTTP2Errors.StreamError { return }
        close(context)
    }

    // MARK: - Streams

    func add(_ stream: HTTP2StreamHandler) {
        streams[ObjectIdentifier(stream)] = stream
    }

    func remove(_ stream: HTTP2StreamHandler) {
        streams[ObjectIdentifier(stream)] = nil
    }

    fileprivate func streamOpened(_ id: HTTP2StreamID) {
        life.streamOpened(id)
        if life.openStreams == 1, let context { set(context, context.eventLoop.now + scanInterval) }
        if let maximumRequests, life.requests >= maximumRequests { leave() }
    }

    fileprivate func streamClosed() {
        follow(life.streamClosed())
        if life.openStreams == 0, !life.isClosed, let context {
            set(context, context.eventLoop.now + timeouts.keepAlive)
        }
    }

    // MARK: - Time

    private var scanInterval: TimeAmount {
        .nanoseconds(min(timeouts.requestBody, timeouts.response).nanoseconds / 2)
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard !deadline.isSet, life.requests == 0 else { return }
        set(context, firstRequestBy ?? context.eventLoop.now + timeouts.firstRequest)
    }

    private func set(_ context: ChannelHandlerContext, _ time: NIODeadline) {
        if deadline.move(to: time) {
            deadline.startTimer(on: context.eventLoop) { [self] in timedOut(context) }
        }
    }

    private func timedOut(_ context: ChannelHandlerContext) {
        guard life.openStreams > 0 else {
            // Whoever has nothing to ask needs no warning before it goes, but gets one; who does not answer goes anyway.
            if life.isOpen { leave() } else { close(context) }
            return
        }
        let now = context.eventLoop.now
        // A copy: a stream that ends leaves the dictionary.
        for stream in Array(streams.values) { stream.endIfStuck(now, timeouts) }
        if !life.isClosed { set(context, now + scanInterval) }
    }

    // MARK: - The end

    private func leave() {
        follow(life.leave(HTTP2PingData(withInteger: .random(in: .min ... .max))))
    }

    private func follow(_ action: HTTP2Lifecycle.Action) {
        guard let context else { return }
        switch action {
        case .none: break
        case .warn(let data):
            writeGoAway(context, last: .maxID)
            context.writeAndFlush(
                wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: .ping(data, ack: false))),
                promise: nil
            )
            patienceTimer = context.eventLoop.assumeIsolated().scheduleTask(in: patience) { [self] in
                patienceTimer = nil
                follow(life.patienceEnded())
            }
        case .goAway(let last):
            writeGoAway(context, last: last)
            context.flush()
        case .goAwayAndClose(let last):
            writeGoAway(context, last: last)
            close(context)
        case .close: close(context)
        }
    }

    private func writeGoAway(_ context: ChannelHandlerContext, last: HTTP2StreamID) {
        let payload = HTTP2Frame.FramePayload.goAway(lastStreamID: last, errorCode: .noError, opaqueData: nil)
        context.write(wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: payload)), promise: nil)
    }

    /// A tick later: a stream tells of its end before its last frame has left NIO's buffer, and closing at once would
    /// lose the answer.
    private func close(_ context: ChannelHandlerContext) {
        life.closed()
        end()
        context.eventLoop.assumeIsolated().execute {
            context.flush()
            context.close(promise: nil)
        }
    }

    private func end() {
        deadline.end()
        patienceTimer?.cancel()
        patienceTimer = nil
    }
}

@available(*, unavailable)
extension HTTP2ConnectionHandler: Sendable {}

/// Tells the connection of its streams.
struct HTTP2StreamWatch: NIOHTTP2StreamDelegate {
    private let handler: NIOLoopBound<HTTP2ConnectionHandler>

    /// On the connection's loop.
    init(_ handler: HTTP2ConnectionHandler, _ loop: any EventLoop) {
        self.handler = NIOLoopBound(handler, eventLoop: loop)
    }

    /// Called by NIO on the connection's loop.
    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) {
        handler.value.streamOpened(id)
    }

    /// Called by NIO on the connection's loop.
    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) {
        handler.value.streamClosed()
    }
}
#endif
