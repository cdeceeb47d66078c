#if Hummingbird
internal import NIOCore
internal import NIOHTTP1

/// The end of an HTTP/1.1 pipeline: gives whole requests to the task that serves the connection, and takes its answers.
///
/// It stands in for `NIOAsyncChannel`, whose generic parts run unspecialised and cost a fifth of a small request. The
/// task runs on the channel's loop, so a request resumes it once and needs no lock; an answer leaves in one flush. Only
/// requests without a body come this way. At the first that has one ``handOver(_:)`` puts a `NIOAsyncChannel` in its
/// place, for the rest of the connection. Until then there is no handler between it and the connection's, which writes its
/// answers.
///
/// Unchecked: everything but ``channel`` and ``loop`` is only touched on the loop. The methods that are called from
/// elsewhere look where they are, and go there.
final class HTTP1Exchange: ChannelDuplexHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = Never

    /// What the client sends next.
    enum Next {
        case request(HTTPRequestHead)
        /// A request with a body, or one of which not all has come.
        case unfinished
        case end
    }

    /// The client has sent a part where another one belongs.
    struct UnexpectedPart: Error {}

    /// Parts that wait, beyond which no more are read: as many as `NIOAsyncChannel` takes.
    private static let mostParts = 10

    let channel: any Channel
    let loop: any EventLoop
    let connection: HTTP1ConnectionHandler
    @exclusivity(unchecked) private(set) var context: ChannelHandlerContext?

    // Receiving.
    @exclusivity(unchecked) private var parts = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 2)
    @exclusivity(unchecked) private var waiting: UnsafeContinuation<Void, Never>?
    @exclusivity(unchecked) private var hasEnded = false
    private var failure: (any Error)?
    @exclusivity(unchecked) private var holdsRead = false
    @exclusivity(unchecked) private(set) var isHandedOver = false
    /// Of the request in progress.
    @exclusivity(unchecked) private var watch: InboundWatch?

    // Sending.
    /// The number of the answer that may be written.
    @exclusivity(unchecked) var answer = 0
    @exclusivity(unchecked) var flushIsDue = false
    @exclusivity(unchecked) private(set) var outputHasEnded = false
    @exclusivity(unchecked) var blocked: [BlockedWriter] = []

    /// Behind `connection` in the pipeline of `channel`.
    init(_ channel: any Channel, _ connection: HTTP1ConnectionHandler) {
        self.channel = channel
        self.connection = connection
        loop = channel.eventLoop
    }

    // MARK: - From the pipeline

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        endOutput()
        endInput(nil)
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        endOutput()
        endInput(nil)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isHandedOver { return context.fireChannelRead(data) }
        if !hasEnded { parts.append(unwrapInboundIn(data)) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if isHandedOver { return context.fireChannelReadComplete() }
        if !parts.isEmpty { wake() }
    }

    func read(context: ChannelHandlerContext) {
        if parts.count < Self.mostParts { context.read() } else { holdsRead = true }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: endInput(nil)
        case ChannelEvent.outputClosed: endOutput()
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        endInput(error)
        context.fireErrorCaught(error)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { unblock(nil) }
        context.fireChannelWritabilityChanged()
    }

    private func endInput(_ error: (any Error)?) {
        guard !hasEnded, !isHandedOver else { return }
        hasEnded = true
        failure = error
        wake()
        // A request that has others behind it is not the one that lost its client.
        if parts.isEmpty { watch?.end() }
    }

    private func endOutput() {
        outputHasEnded = true
        unblock(ChannelError.ioOnClosedChannel)
    }

    private func wake() {
        guard let waiting else { return }
        self.waiting = nil
        waiting.resume()
    }

    // MARK: - For the task that serves, on the loop

    /// Waits for the next request, or the end.
    nonisolated(nonsending) func next() async throws -> Next {
        while true {
            guard loop.inEventLoop else { throw EventLoopError.unsupportedOperation }
            if let part = parts.first {
                guard case .head(let head) = part else { throw UnexpectedPart() }
                guard parts.count > 1, case .end(nil) = parts[parts.index(after: parts.startIndex)] else {
                    return .unfinished
                }
                parts.removeFirst(2)
                if holdsRead, parts.count < Self.mostParts / 4 { goOnReading() }
                return .request(head)
            }
            if let failure { throw failure }
            if hasEnded { return .end }
            await withUnsafeContinuation { waiting = $0 }
        }
    }

    /// While the request is answered, `watch` ends with the client's input.
    func begin(_ watch: InboundWatch) {
        self.watch = watch
        if hasEnded, parts.isEmpty { watch.end() }
    }

    /// The request is answered.
    func finish() {
        watch = nil
    }

    /// Puts back what ``next()`` has given.
    func putBack(_ request: HTTPRequestHead) {
        parts.prepend(.end(nil))
        parts.prepend(.head(request))
    }

    /// Puts a channel for tasks in place of this handler. It gets what waits here, and all that comes.
    func handOver<Wrapped>(_ wrap: (any Channel) throws -> Wrapped) throws -> Wrapped {
        guard let context, !outputHasEnded else { throw ChannelError.ioOnClosedChannel }
        let wrapped = try wrap(channel)
        isHandedOver = true
        let parts = parts
        self.parts.removeAll()
        for part in parts { context.fireChannelRead(wrapInboundOut(part)) }
        context.fireChannelReadComplete()
        if let failure {
            context.fireErrorCaught(failure)
        } else if hasEnded {
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
        if holdsRead {
            holdsRead = false
            // Through the new handler, which may hold it too.
            context.pipeline.syncOperations.read()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
        return wrapped
    }

    /// No more answers come.
    func endAnswers() {
        guard let context else { return }
        context.flush()
        context.close(mode: .output, promise: nil)
    }

    func close() {
        guard let context else { return }
        context.flush()
        context.close(promise: nil)
    }

    private func goOnReading() {
        holdsRead = false
        context?.read()
    }

    // MARK: - Safe on any thread

    /// The task that serves is cancelled: there are no more requests, and answers that wait for the client fail.
    func cancel() {
        guard loop.inEventLoop else { return loop.execute { self.cancel() } }
        guard !isHandedOver else { return }
        parts.removeAll()
        endInput(CancellationError())
        unblock(CancellationError())
        context?.close(mode: .input, promise: nil)
    }
}
#endif
