#if Hummingbird
internal import NIOCore
internal import NIOHTTP2

/// Stands before NIO's HTTP/2 handler, for two things that it does not do.
///
/// It sees whether NIO has sent GOAWAY with an error: what NIO reports behind itself does not tell a lost connection from a
/// stream that was reset. And it sends the GOAWAY that refuses nothing: NIO refuses all streams after any GOAWAY, so a
/// request that was on its way would be lost.
final class GoAwayHandler: ChannelOutboundHandler {
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private static let headerLength = 9
    private static let goAway: UInt8 = 7

    private(set) var hasReportedError = false
    /// What is to come of the payload of the last frame. NIO never cuts a frame's header.
    private var rest = 0
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    /// GOAWAY with the highest stream there is: please open no more, but what is on its way is served (RFC 9113 section
    /// 6.8). Does not flush.
    func warn() {
        guard let context, rest == 0 else { return }
        var frame = context.channel.allocator.buffer(capacity: Self.headerLength + 8)
        frame.writeInteger(UInt32(8) << 8 | UInt32(Self.goAway))
        frame.writeInteger(UInt8(0))
        frame.writeInteger(UInt32(0))
        frame.writeInteger(UInt32(Int32.max))
        frame.writeInteger(UInt32(0))
        context.write(wrapOutboundOut(.byteBuffer(frame)), promise: nil)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if !hasReportedError, case .byteBuffer(let bytes) = unwrapOutboundIn(data) { look(at: bytes) }
        context.write(data, promise: promise)
    }

    private func look(at bytes: ByteBuffer) {
        var bytes = bytes
        while bytes.readableBytes > 0 {
            let passed = min(rest, bytes.readableBytes)
            bytes.moveReaderIndex(forwardBy: passed)
            rest -= passed
            guard bytes.readableBytes >= Self.headerLength,
                let start = bytes.getInteger(at: bytes.readerIndex, as: UInt32.self)
            else { return }
            rest = Int(start >> 8)
            // The header, and of the payload the last stream; then comes the code.
            let code = bytes.getInteger(at: bytes.readerIndex + Self.headerLength + 4, as: UInt32.self)
            if UInt8(truncatingIfNeeded: start) == Self.goAway, let code, code != 0 { hasReportedError = true }
            bytes.moveReaderIndex(forwardBy: Self.headerLength)
        }
    }
}

@available(*, unavailable)
extension GoAwayHandler: Sendable {}
#endif
