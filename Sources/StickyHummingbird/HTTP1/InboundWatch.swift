#if Hummingbird
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTPTypes

/// What tells a handler of a request without a body that its client has gone: `consumeWithInboundCloseHandler` of the
/// request's body, and what builds on it.
///
/// Hummingbird watches the `NIOAsyncChannel` that the request came from, and takes no other source. So here is one, on a
/// channel that carries nothing and ends when the client's input does. It is lent from request to request as long as
/// nobody has listened to it.
///
/// Unchecked: everything but ``body`` is only touched on the loop.
final class InboundWatch: @unchecked Sendable {
    /// An empty body.
    let body: RequestBody
    private let channel: SilentChannel
    private var hasEnded = false

    private init(_ body: RequestBody, _ channel: SilentChannel) {
        self.body = body
        self.channel = channel
    }

    /// On the loop. Nil when Hummingbird's loop over requests is not what it was.
    nonisolated(nonsending) static func make(on loop: any EventLoop, _ logger: Logger) async -> InboundWatch? {
        let channel = SilentChannel(loop)
        guard
            loop.inEventLoop,
            let wrapped = try? NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(wrappingChannelSynchronously: channel)
        else { return nil }
        let head = HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/")
        channel.pipeline.syncOperations.fireChannelRead(NIOAny(HTTPRequestPart.head(head)))
        channel.pipeline.syncOperations.fireChannelReadComplete()
        // Makes a request of it, and leaves: the channel does not listen to being closed.
        let source = RequestSource()
        await source.handleHTTP(asyncChannel: wrapped, logger: logger)
        guard loop.inEventLoop, var request = source.request.value else { return nil }
        // Keeps the source behind it.
        request.body = RequestBody(buffer: ByteBuffer())
        return InboundWatch(request.body, channel)
    }

    /// The client says nothing more.
    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        channel.pipeline.syncOperations.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    }

    /// Whether it can serve another request: it has neither ended nor been listened to.
    var isUntouched: Bool { !hasEnded && channel.isRead() }

    /// It serves no more.
    func discard() {
        end()
        channel.removeHandlers(pipeline: channel.pipeline)
    }
}

/// The watches that no request has. On one event loop only.
///
/// Unchecked: that is where the tasks run that use it.
final class InboundWatches: @unchecked Sendable {
    /// More than are in use at a time are not kept.
    private static let most = 64
    private var free: [InboundWatch] = []

    func take() -> InboundWatch? { free.popLast() }

    /// On the loop. Makes one when there is none, if it can.
    nonisolated(nonsending) func take(or loop: any EventLoop, _ logger: Logger) async -> InboundWatch? {
        if let watch = take() { return watch }
        return await InboundWatch.make(on: loop, logger)
    }

    func give(_ watch: InboundWatch) {
        if free.count < Self.most, watch.isUntouched { free.append(watch) } else { watch.discard() }
    }
}

/// Gets hold of the request that Hummingbird makes.
private struct RequestSource: HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
    private struct Done: Error {}

    /// Unchecked: written and read by one task.
    final class Found: @unchecked Sendable {
        var value: Request?
    }

    let request = Found()

    var responder: HTTPChannelHandler.Responder {
        { [request] made, _, _ in
            request.value = made
            throw Done()
        }
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture { try Value(wrappingChannelSynchronously: channel) }
    }

    func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}

/// A channel that carries nothing, and cannot be closed.
///
/// Unchecked: the pipeline is set before anybody else has the channel, the count is only touched on the loop.
private final class SilentChannel: Channel, ChannelCore, @unchecked Sendable {
    let eventLoop: any EventLoop
    let allocator = ByteBufferAllocator()
    let closeFuture: EventLoopFuture<Void>
    private var madePipeline: ChannelPipeline?
    private var reads = 0

    init(_ loop: any EventLoop) {
        eventLoop = loop
        closeFuture = loop.makeSucceededVoidFuture()
        madePipeline = ChannelPipeline(channel: self)
    }

    var pipeline: ChannelPipeline { madePipeline ?? ChannelPipeline(channel: self) }
    var localAddress: SocketAddress? { nil }
    var remoteAddress: SocketAddress? { nil }
    var parent: (any Channel)? { nil }
    var isWritable: Bool { true }
    var isActive: Bool { true }
    var _channelCore: any ChannelCore { self }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    /// Whether reading comes through: the sequence behind the pipeline stops it when somebody's listening has ended.
    func isRead() -> Bool {
        let before = reads
        pipeline.syncOperations.read()
        return reads != before
    }

    func read0() { reads &+= 1 }

    func localAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func remoteAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func register0(promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func flush0() {}
    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func channelRead0(_ data: NIOAny) {}
    func errorCaught0(error: any Error) {}
}
#endif
