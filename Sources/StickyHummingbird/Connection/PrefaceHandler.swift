#if Hummingbird
internal import NIOCore
internal import StickyNIO

/// Reads the first bytes of a connection without TLS to learn whether it speaks HTTP/2 (RFC 9113 section 3.4), fills the
/// pipeline and hands the bytes on.
final class PrefaceHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    /// While draining, for a connection that has not said anything.
    private static let lastChance: TimeAmount = .seconds(2)

    private let timeout: TimeAmount
    private let fill: (any Channel, _ isHTTP2: Bool, _ firstRequestBy: NIODeadline) throws -> Void
    private var deadline = ConnectionDeadline()
    private var received = ByteBuffer()
    private var drain: StickyDrainEvent?
    private var isDecided = false

    /// - Parameters:
    ///   - timeout: From the connection's start to its first whole request head.
    ///   - fill: Adds the handlers of the protocol, at the end of the pipeline.
    init(
        timeout: TimeAmount,
        _ fill: @escaping (any Channel, _ isHTTP2: Bool, _ firstRequestBy: NIODeadline) throws -> Void
    ) {
        self.timeout = timeout
        self.fill = fill
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline.end()
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline.end()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDecided else { return context.fireChannelRead(data) }
        var bytes = unwrapInboundIn(data)
        if received.readableBytes == 0 { received = bytes } else { received.writeBuffer(&bytes) }
        let length = min(received.readableBytes, Self.preface.utf8.count)
        let isPreface = received.readableBytesView.prefix(length).elementsEqual(Self.preface.utf8.prefix(length))
        if !isPreface || length == Self.preface.utf8.count { decide(context, isHTTP2: isPreface) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let event as StickyDrainEvent:
            drain = event
            set(context, min(deadline.time, context.eventLoop.now + Self.lastChance))
        case ChannelEvent.inputClosed where !isDecided:
            // What has come is no preface: let HTTP/1.1 say what it thinks of it.
            if received.readableBytes == 0 { return context.close(promise: nil) }
            decide(context, isHTTP2: false)
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func decide(_ context: ChannelHandlerContext, isHTTP2: Bool) {
        isDecided = true
        do {
            try fill(context.channel, isHTTP2, deadline.time)
        } catch {
            context.fireErrorCaught(error)
            return context.close(promise: nil)
        }
        deadline.end()
        context.fireChannelRead(wrapInboundOut(received))
        received = ByteBuffer()
        // The new handlers have missed it.
        if let drain { context.fireUserInboundEventTriggered(drain) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard !deadline.isSet, !isDecided else { return }
        set(context, context.eventLoop.now + timeout)
    }

    private func set(_ context: ChannelHandlerContext, _ time: NIODeadline) {
        if deadline.move(to: time) {
            deadline.startTimer(on: context.eventLoop) { context.close(promise: nil) }
        }
    }
}

@available(*, unavailable)
extension PrefaceHandler: Sendable {}
#endif
