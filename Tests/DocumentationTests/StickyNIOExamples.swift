#if NIO
import NIOCore
import NIOHTTP1
import StickyNIO
import StickyServer
import StickyTLS

// docs/stickynio.md

func makeHandler(_ tls: TLSContext) -> NIOConnectionHandler {
    NIOConnectionHandler(tls: tls) { channel, connection in
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.configureHTTPServerPipeline()
            try channel.pipeline.syncOperations.addHandler(Greeter(client: connection.peer))
        }
    }
}

final class Greeter: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let client: StickyAddress

    init(client: StickyAddress) {
        self.client = client
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        let body = context.channel.allocator.buffer(string: "hello, \(client)\n")
        let headers: HTTPHeaders = ["content-length": "\(body.readableBytes)"]
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: .ok, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
#endif
