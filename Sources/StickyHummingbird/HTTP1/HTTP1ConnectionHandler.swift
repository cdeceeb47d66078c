#if Hummingbird
internal import HTTPTypes
package import NIOCore
package import NIOHTTP1
internal import StickyNIO
internal import StickyServer

/// Stands behind NIO's HTTP/1.1 decoder and decides how long its connection lives: deadlines, limits, drain. What is
/// written to it leaves as bytes: it is the encoder too (``HTTP1ResponseEncoder``), and gathers short parts.
package final class HTTP1ConnectionHandler: ChannelDuplexHandler {
    package typealias InboundIn = HTTPServerRequestPart
    package typealias InboundOut = HTTPServerRequestPart
    package typealias OutboundIn = HTTPServerResponsePart
    package typealias OutboundOut = IOData

    /// After an error in a request, for the application to answer it.
    private static let answerPatience: TimeAmount = .seconds(5)
    /// While draining, for a connection that has not asked anything.
    private static let lastChance: TimeAmount = .seconds(2)

    // Unchecked, because every part touches them: no access lasts over a call to another handler.
    private let timeouts: HTTPTimeouts
    private let bodyLimit: Int?
    @exclusivity(unchecked) private var life: HTTP1Lifecycle
    @exclusivity(unchecked) private var deadline = ConnectionDeadline()
    private let firstRequestBy: NIODeadline?
    @exclusivity(unchecked) private var bodyLength = 0
    @exclusivity(unchecked) private var hasAborted = false
    @exclusivity(unchecked) private var isKeepAlive10 = false
    /// Somebody wants to have more of the body. While nobody does, the client cannot be blamed for sending nothing.
    @exclusivity(unchecked) private var isAwaited = false
    /// The numbers of requests that are HEAD and have no answer yet.
    @exclusivity(unchecked) private var headRequests: [Int] = []

    // In HTTP1ConnectionHandler+Sending.swift.
    @exclusivity(unchecked) var context: ChannelHandlerContext?
    @exclusivity(unchecked) var encoder = HTTP1ResponseEncoder()
    /// Written and not passed on yet.
    @exclusivity(unchecked) var gathered = ByteBuffer()

    /// - Parameter firstRequestBy: When the first request must be there, if that has been decided already.
    package init(_ options: HTTPOptions, firstRequestBy: NIODeadline? = nil) {
        timeouts = options.timeouts
        bodyLimit = options.limits.requestBody
        life = HTTP1Lifecycle(maximumRequests: options.limits.requestsPerConnection)
        self.firstRequestBy = firstRequestBy
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        deadline.end()
        self.context = nil
    }

    package func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        deadline.end()
        context.fireChannelInactive()
    }

    // MARK: - Receiving

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !life.isClosing else { return }
        isAwaited = false
        switch unwrapInboundIn(data) {
        case .head(let head):
            guard life.requestHead(isKeepAlive: head.isKeepAlive) else { return }
            if head.method == .HEAD { headRequests.append(life.requests) }
            isKeepAlive10 = head.version.major == 1 && head.version.minor == 0 && head.isKeepAlive
            bodyLength = 0
            hasAborted = false
            deadline.clear()
            proceed(context, head)
            context.fireChannelRead(data)
            if let bodyLimit, let length = head.headers.first(name: "content-length").flatMap({ Int($0) }),
                length > bodyLimit
            {
                abort(context, .tooLarge(bodyLimit))
            }
        case .body(let bytes):
            guard life.isReceiving, !hasAborted else { return }
            bodyLength += bytes.readableBytes
            if let bodyLimit, bodyLength > bodyLimit { return abort(context, .tooLarge(bodyLimit)) }
            deadline.clear()
            context.fireChannelRead(data)
        case .end:
            guard life.isReceiving else { return }
            life.requestEnd()
            if life.unanswered > 0 { deadline.clear() } else { expect(context, within: timeouts.keepAlive) }
            if !hasAborted { context.fireChannelRead(data) }
        }
    }

    package func read(context: ChannelHandlerContext) {
        if life.isReceiving, !isAwaited, !hasAborted {
            isAwaited = true
            expect(context, within: timeouts.requestBody)
        }
        context.read()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let drain as StickyDrainEvent: self.drain(context, drain.request)
        case ChannelEvent.inputClosed: life.inputEnded()
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// A client that waits to be asked for its body is asked (RFC 9110 section 10.1.1), unless answers are due before.
    private func proceed(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
        guard life.unanswered == 1, head.version == .http1_1,
            head.headers.first(name: "expect")?.lowercased() == "100-continue"
        else { return }
        begin(HTTPResponseHead(version: .http1_1, status: .continue))
        emit(nil)
        context.flush()
    }

    /// Whoever reads the request's body hears of it, and can answer.
    private func abort(_ context: ChannelHandlerContext, _ error: RequestAborted) {
        hasAborted = true
        expect(context, within: Self.answerPatience)
        context.fireErrorCaught(error)
    }

    // MARK: - Sending

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            begin(head)
            if let promise { emit(promise) }
        case .body(.byteBuffer(let bytes)):
            send(bytes, promise)
        case .body(.fileRegion(let file)):
            send(file, promise)
        case .end(let trailers):
            end(trailers, promise)
        }
    }

    package func flush(context: ChannelHandlerContext) {
        emit(nil)
        context.flush()
    }

    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        emit(nil)
        context.close(mode: mode, promise: promise)
    }

    /// What the next head must say of the connection, and whether it answers HEAD.
    func answering(_ status: Int, _ summary: HeadSummary) -> (HTTP1ResponseEncoder.Persistence, isToHead: Bool) {
        let isInformational = (100..<200).contains(status)
        let number = life.requests - life.unanswered + 1
        let isToHead = headRequests.first == number
        if isToHead, !isInformational { headRequests.removeFirst() }
        if life.responseHead(isInformational: isInformational, saysClose: summary.saysClose || hasAborted) {
            return (summary.saysClose ? .asWritten : .close, isToHead)
        }
        return (isKeepAlive10 && !isInformational ? .keepAlive : .asWritten, isToHead)
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !context.channel.isWritable {
            if life.unanswered > 0 { expect(context, within: timeouts.response) }
        } else if life.unanswered > 0 {
            if life.isReceiving, isAwaited, !hasAborted {
                expect(context, within: timeouts.requestBody)
            } else if !hasAborted {
                deadline.clear()
            }
        }
        context.fireChannelWritabilityChanged()
    }

    /// The last part of an answer is written.
    func answered(_ context: ChannelHandlerContext) {
        switch life.responseEnd() {
        case .close: close(context)
        case .waitForOneMore: expect(context, within: timeouts.keepAlive)
        case .none:
            if life.expectation == .nextRequest { expect(context, within: timeouts.keepAlive) }
        }
    }

    // MARK: - The end

    private func begin(_ context: ChannelHandlerContext) {
        guard !deadline.isSet, life.requests == 0 else { return }
        set(context, firstRequestBy ?? context.eventLoop.now + timeouts.firstRequest)
    }

    private func drain(_ context: ChannelHandlerContext, _ request: DrainRequest) {
        switch life.drain(request.reason) {
        case .close: close(context)
        case .none: break
        case .waitForOneMore:
            // As long as time is, and no longer than it would have waited without.
            let left = TimeAmount(request.deadline - .now)
            let time = request.reason == .replaced ? max(Self.lastChance, left - Self.lastChance) : Self.lastChance
            set(context, min(deadline.time, context.eventLoop.now + time))
        }
    }

    private func close(_ context: ChannelHandlerContext) {
        deadline.clear()
        emit(nil)
        context.flush()
        context.close(promise: nil)
    }

    private func expect(_ context: ChannelHandlerContext, within time: TimeAmount) {
        set(context, context.eventLoop.now + time)
    }

    private func set(_ context: ChannelHandlerContext, _ time: NIODeadline) {
        if deadline.move(to: time) {
            deadline.startTimer(on: context.eventLoop) { [self] in timedOut(context) }
        }
    }

    private func timedOut(_ context: ChannelHandlerContext) {
        if life.isReceiving, !hasAborted, context.channel.isWritable {
            abort(context, .tooSlow)
        } else {
            close(context)
        }
    }
}

@available(*, unavailable)
extension HTTP1ConnectionHandler: Sendable {}
#endif
