#if Hummingbird
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
@testable import StickyHummingbird
import Testing

@Suite("A stream of HTTP/2")
struct HTTP2StreamTests {
    /// Stands where NIO's stream would and keeps what is written, as a client without room for it does.
    private final class Room: ChannelOutboundHandler {
        typealias OutboundIn = HTTPResponsePart
        typealias OutboundOut = HTTPResponsePart

        var waiting: [EventLoopPromise<Void>?] = []
        var sizes: [Int] = []

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            if case .body(let bytes) = unwrapOutboundIn(data) { sizes.append(bytes.readableBytes) }
            waiting.append(promise)
        }

        func makeRoom(_ count: Int) {
            for promise in waiting.prefix(count) { promise?.succeed() }
            waiting.removeFirst(min(count, waiting.count))
        }
    }

    /// Lets reads through, or not, as a handler does that has enough for now.
    private final class Reader: ChannelOutboundHandler {
        typealias OutboundIn = HTTPResponsePart

        var isHungry = true

        func read(context: ChannelHandlerContext) {
            if isHungry { context.read() }
        }
    }

    private let room = Room()
    private let reader = Reader()
    private let stream: HTTP2StreamHandler
    private let channel = EmbeddedChannel()
    private let timeouts = HTTPTimeouts()

    init() throws {
        let connection = HTTP2ConnectionHandler(HTTPOptions(), HTTP2Options(), GoAwayHandler())
        stream = HTTP2StreamHandler(connection, bodyLimit: nil)
        try channel.pipeline.syncOperations.addHandlers([room, stream, reader])
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    /// As the connection looks at its streams after so many seconds.
    private func look(after seconds: Int64) {
        channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
        stream.endIfStuck(channel.embeddedEventLoop.now, timeouts)
        channel.embeddedEventLoop.run()
    }

    private func post() throws {
        let head = HTTPRequest(method: .post, scheme: "https", authority: "localhost", path: "/")
        try channel.writeInbound(HTTPRequestPart.head(head))
        channel.read()
    }

    @Test("whose short answer is not taken is ended")
    func shortAnswer() throws {
        channel.write(HTTPResponsePart.head(HTTPResponse(status: .ok)), promise: nil)
        channel.write(HTTPResponsePart.body(ByteBuffer(string: "hello")), promise: nil)
        channel.write(HTTPResponsePart.end(nil), promise: nil)
        look(after: 60)
        #expect(channel.isActive)
        look(after: 1)
        #expect(!channel.isActive)
    }

    @Test("whose long answer is taken bit by bit goes on")
    func longAnswer() throws {
        let size = 1 << 20
        let written = channel.eventLoop.makePromise(of: Void.self)
        channel.write(HTTPResponsePart.body(ByteBuffer(repeating: 1, count: size)), promise: written)
        #expect(room.sizes.reduce(0, +) == size)
        #expect(room.sizes.count == 16)
        for _ in 0..<16 {
            look(after: 50)
            #expect(channel.isActive)
            room.makeRoom(1)
        }
        try written.futureResult.wait()
        look(after: 1_000)
        #expect(channel.isActive, "a handler may take its time")
    }

    @Test("whose body stalls tells its reader")
    func stalled() throws {
        try post()
        look(after: 31)
        #expect(throws: RequestAborted.self) { try channel.throwIfErrorCaught() }
        #expect(channel.isActive)
        look(after: 31)
        #expect(!channel.isActive)
    }

    @Test("whose reader rests is not to blame")
    func resting() throws {
        try post()
        reader.isHungry = false
        try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: "much")))
        channel.read()
        look(after: 1_000)
        try channel.throwIfErrorCaught()
        reader.isHungry = true
        channel.read()
        look(after: 31)
        #expect(throws: RequestAborted.self) { try channel.throwIfErrorCaught() }
    }
}

@Suite("GOAWAY below NIO's HTTP/2 handler")
struct GoAwayTests {
    private let handler = GoAwayHandler()
    private let channel: EmbeddedChannel

    init() {
        channel = EmbeddedChannel(handler: handler)
    }

    private func send(_ bytes: [UInt8]...) throws {
        for bytes in bytes { try channel.writeOutbound(IOData.byteBuffer(ByteBuffer(bytes: bytes))) }
    }

    private func goAway(_ code: UInt8) -> [UInt8] {
        [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, code]
    }

    @Test("with an error is seen; without one it is not")
    func errors() throws {
        try send(goAway(0))
        #expect(!handler.hasReportedError)
        try send(goAway(11))
        #expect(handler.hasReportedError)
    }

    @Test("is not seen in a body that looks like it, however it is cut")
    func bodies() throws {
        let data: [UInt8] = [0, 0, 34, 0, 0, 0, 0, 0, 1]
        try send(data, goAway(1) + goAway(1))
        try send(data + goAway(1), goAway(1))
        #expect(!handler.hasReportedError)
        try send(data + goAway(1) + goAway(1) + goAway(2))
        #expect(handler.hasReportedError)
    }

    @Test("that refuses nothing names the last stream there can be")
    func warning() throws {
        handler.warn()
        channel.flush()
        guard case .byteBuffer(let frame)? = try channel.readOutbound(as: IOData.self) else {
            return #expect(Bool(false), "nothing was sent")
        }
        #expect(Array(frame.readableBytesView) == goAway(0))
    }
}
#endif
