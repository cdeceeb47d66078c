#if Hummingbird
import NIOCore
import NIOHTTP1
import StickyHummingbird

/// `/hello` without Hummingbird: what NIO's HTTP/1.1 alone costs on this server, for measuring.
final class BareHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    private let site: BareSite
    private var head: HTTPRequestHead?
    private var owesFlush = false
    private var readIsWanted = false

    private init(_ site: BareSite) {
        self.site = site
    }

    /// Makes the pipeline, on the channel's loop.
    static func install(on channel: any Channel, site: BareSite) throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
        try pipeline.addHandler(HTTP1ConnectionHandler(HTTPOptions()))
        try pipeline.addHandler(BareHandler(site))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            self.head = nil
            answer(context, head)
        }
    }

    /// Answers to requests that came together leave together.
    func channelReadComplete(context: ChannelHandlerContext) {
        if owesFlush {
            owesFlush = false
            context.flush()
        }
        context.fireChannelReadComplete()
    }

    /// A client that takes no answers is not asked for requests.
    func read(context: ChannelHandlerContext) {
        if context.channel.isWritable { context.read() } else { readIsWanted = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, readIsWanted {
            readIsWanted = false
            context.read()
        }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, context.channel.isActive else { return context.close(promise: nil) }
        write(context, .badRequest, site.headers(contentLength: 0, isLast: true), nil)
        context.flush()
    }

    private func answer(_ context: ChannelHandlerContext, _ request: HTTPRequestHead) {
        guard request.uri == "/hello", request.method == .GET || request.method == .HEAD else {
            return write(context, .notFound, site.headers(contentLength: 0), nil)
        }
        write(context, .ok, site.headersOfHello(), request.method == .GET ? site.hello : nil)
    }

    private func write(
        _ context: ChannelHandlerContext,
        _ status: HTTPResponseStatus,
        _ headers: HTTPHeaders,
        _ body: ByteBuffer?
    ) {
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if let body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.write(wrapOutboundOut(.end(nil)), promise: nil)
        owesFlush = true
    }
}

@available(*, unavailable)
extension BareHandler: Sendable {}

/// What all bare connections of a worker share. Lives on the worker's event loop.
final class BareSite {
    let hello = ByteBuffer(string: "Hello, world!\n")

    private let slot: String
    private let date = HTTPDate()
    private var helloHeaders = HTTPHeaders()
    private var helloDate = ""

    init(slot: Int) {
        self.slot = String(slot)
    }

    func headers(contentLength: Int, isLast: Bool = false) -> HTTPHeaders {
        var headers: HTTPHeaders = [
            "Date": date.now, "X-Sticky-Slot": slot, "Content-Length": "\(contentLength)",
        ]
        if isLast { headers.add(name: "Connection", value: "close") }
        return headers
    }

    /// Those of `/hello`, which change once a second.
    func headersOfHello() -> HTTPHeaders {
        let now = date.now
        if now != helloDate {
            helloDate = now
            helloHeaders = headers(contentLength: hello.readableBytes)
            helloHeaders.add(name: "Content-Type", value: "text/plain")
        }
        return helloHeaders
    }
}
#endif
