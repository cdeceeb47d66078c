#if NIO
import NIOCore
import NIOTLS
import StickyServer

@testable import StickyNIO

/// Last in a pipeline: notes what reaches the application.
final class Recorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private(set) var events: [String] = []
    private(set) var received: [UInt8] = []
    private(set) var errors: [any Error] = []
    var onActive: ((ChannelHandlerContext) -> Void)?
    var onRead: ((ChannelHandlerContext, ByteBuffer) -> Void)?
    var onReadComplete: ((ChannelHandlerContext) -> Void)?
    var onEvent: ((ChannelHandlerContext, Any) -> Void)?
    var onWritability: ((ChannelHandlerContext) -> Void)?

    func channelRegistered(context: ChannelHandlerContext) {
        events.append("registered")
        context.fireChannelRegistered()
    }

    func channelActive(context: ChannelHandlerContext) {
        events.append("active")
        onActive?(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        events.append("inactive")
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        if events.last != "read" { events.append("read") }
        received += Array(buffer.readableBytesView)
        onRead?(context, buffer)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        onReadComplete?(context)
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        onWritability?(context)
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSUserEvent.handshakeCompleted(let name): events.append("handshake \(name ?? "-")")
        case TLSUserEvent.shutdownCompleted: events.append("shutdown")
        case ChannelEvent.inputClosed: events.append("inputClosed")
        case ChannelEvent.outputClosed: events.append("outputClosed")
        case let event as StickyDrainEvent: events.append("drain \(event.request.reason)")
        default: events.append("other")
        }
        onEvent?(context, event)
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        errors.append(error)
        events.append("error")
    }
}

/// Counts what the channel is asked to do.
final class WriteCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private(set) var writes = 0
    private(set) var flushes = 0
    private(set) var reads = 0

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        writes += 1
        context.write(data, promise: promise)
    }

    func flush(context: ChannelHandlerContext) {
        flushes += 1
        context.flush()
    }

    func read(context: ChannelHandlerContext) {
        reads += 1
        context.read()
    }
}
#endif
