#if NIO
import NIOCore
import NIOHTTP1
import StickyNIO
import StickyTLS

/// One client's connection: takes its requests one after the other and answers each.
///
/// Requests that come before the last one is answered (pipelining) wait here, and nothing more is read meanwhile.
final class HTTPConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    enum State {
        /// Between requests.
        case idle
        /// The head is there and the body is awaited.
        case receiving(Route)
        /// The body goes back as it comes.
        case echoing
        /// The request is complete and its answer in progress.
        case answering
        case closed
    }

    let connection: StickyConnectionInfo
    let site: DemoSite
    let router: Router

    var state = State.idle
    var requests = 0
    /// The request in hand.
    var isHEAD = false
    var keepsAlive = true
    var wantsKeepAliveField = false
    var bodyBytes = 0
    /// What a stream still owes.
    var bytesLeft = 0
    var isStreaming = false
    /// A flush inside the stream's loop may make the channel writable again, which asks for more of the stream.
    var isInStream = false
    var sleep: Scheduled<Void>?
    /// No more requests are taken.
    var isDraining = false
    var inputHasEnded = false
    /// Said after the answers that are due.
    var badRequest: Refusal?

    var timer: Scheduled<Void>?
    var deadline = NIODeadline.distantFuture

    private var backlog = CircularBuffer<HTTPServerRequestPart>()
    private var isWorkingOff = false
    private var isReading = false
    private var owesFlush = false
    private var readIsWanted = false

    init(connection: StickyConnectionInfo, site: DemoSite) {
        self.connection = connection
        self.site = site
        router = Router(limits: site.limits, allowsCrash: site.allowsCrash)
    }

    /// Makes the pipeline: encoder, decoder and this handler, nothing else.
    static func install(on channel: any Channel, connection: StickyConnectionInfo, site: DemoSite) throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTPResponseEncoder())
        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
        try pipeline.addHandler(HTTPConnection(connection: connection, site: site))
    }

    var isBusy: Bool {
        switch state {
        case .answering: true
        default: false
        }
    }

    // MARK: - Channel

    func channelActive(context: ChannelHandlerContext) {
        expect(context, within: site.limits.firstRequest)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let part = unwrapInboundIn(data)
        if isBusy || !backlog.isEmpty { backlog.append(part) } else { take(context, part) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flushIfOwed(context)
        context.fireChannelReadComplete()
    }

    /// Reads on only when there is nothing to do and the client takes what it asked for.
    func read(context: ChannelHandlerContext) {
        if isBusy || !backlog.isEmpty || !context.channel.isWritable {
            readIsWanted = true
        } else {
            context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            if isStreaming { stream(context) }
            expectAnswerTaken(context)
            readOn(context)
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let event as StickyDrainEvent: drain(context, event.request)
        case let event as ChannelEvent where event == .inputClosed: inputEnded(context)
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: - Requests

    private func take(_ context: ChannelHandlerContext, _ part: HTTPServerRequestPart) {
        switch (part, state) {
        case (.head(let head), .idle): begin(context, head)
        case (.body(let body), .receiving):
            bodyBytes += body.readableBytes
            if bodyBytes > site.limits.unusedBody { return refuseBody(context) }
            expect(context, within: site.limits.body)
        case (.body(let body), .echoing): echo(context, body)
        case (.end, .receiving(let route)): answer(context, route)
        case (.end, .echoing): finish(context)
        default: break
        }
    }

    /// The answer is out: the next request may come.
    func finish(_ context: ChannelHandlerContext) {
        write(context, .end(nil))
        isStreaming = false
        guard keepsAlive else { return close(context) }
        state = .idle
        expect(context, within: site.limits.keepAlive)
        workOff(context)
    }

    private func workOff(_ context: ChannelHandlerContext) {
        guard !isWorkingOff else { return }
        isWorkingOff = true
        while !isBusy, let part = backlog.popFirst() { take(context, part) }
        isWorkingOff = false
        if case .idle = state {
            if let badRequest { return refuse(context, badRequest) }
            if inputHasEnded || isDraining { return close(context) }
        }
        flushIfOwed(context)
        readOn(context)
    }

    private func readOn(_ context: ChannelHandlerContext) {
        guard readIsWanted, !isBusy, backlog.isEmpty, context.channel.isWritable else { return }
        readIsWanted = false
        context.read()
    }

    // MARK: - Writing

    /// Answers to requests that came together leave together.
    func write(_ context: ChannelHandlerContext, _ part: HTTPServerResponsePart) {
        context.write(wrapOutboundOut(part), promise: nil)
        owesFlush = true
    }

    func flushIfOwed(_ context: ChannelHandlerContext) {
        guard owesFlush, !isReading, !isWorkingOff else { return }
        owesFlush = false
        context.flush()
    }

    func flushNow(_ context: ChannelHandlerContext) {
        owesFlush = false
        context.flush()
    }

    // MARK: - The end

    func close(_ context: ChannelHandlerContext) {
        if case .closed = state { return }
        end()
        if owesFlush { flushNow(context) }
        context.close(promise: nil)
    }

    private func end() {
        state = .closed
        isStreaming = false
        sleep?.cancel()
        sleep = nil
        timer?.cancel()
        timer = nil
        backlog.removeAll()
    }
}
#endif
