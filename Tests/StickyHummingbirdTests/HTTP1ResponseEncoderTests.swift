#if Hummingbird
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypesHTTP1
@testable import StickyHummingbird
import Testing

@Suite("Responses as bytes")
struct HTTP1ResponseEncoderTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 33)
        }
    }

    private static let fields: [(String, String)] = [
        ("Server", "sticky"), ("x-empty", ""), ("Content-Type", "text/plain; charset=utf-8"), ("DATE", "now"),
        ("Connection", "close"), ("connection", "Keep-Alive"), ("connection", "upgrade, CLOSE"), ("connectioN", "x"),
        ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("x-\u{e9}", "caf\u{e9}"), ("content-lengtx", "1"),
        ("Transfer-Encoding", "chunked"), ("transfer-encoding", "gzip, chunked"), ("Content-Length", "5000"),
        ("x-long", String(repeating: "long ", count: 300)),
    ]
    private static let statuses = [100, 101, 103, 199, 200, 201, 204, 205, 206, 299, 302, 304, 404, 418, 500, 599, 999]

    /// The parts of a random answer. Those that must not have a body have none.
    private static func answer(_ generator: inout Generator) -> [HTTPServerResponsePart] {
        let status = HTTPResponseStatus(
            statusCode: statuses.randomElement(using: &generator) ?? 200,
            reasonPhrase: "Quite Unusual"
        )
        let chosen = (0..<Int.random(in: 0...6, using: &generator)).compactMap { _ in
            fields.randomElement(using: &generator)
        }
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: HTTPHeaders(chosen))
        guard status.mayHaveResponseBody else { return [.head(head), .end(nil)] }
        let bodies = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
            let count = [0, 1, 15, 16, 2048, 2049, 70_000].randomElement(using: &generator) ?? 0
            return HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(repeating: 97, count: count)))
        }
        let trailers: HTTPHeaders? = Bool.random(using: &generator) ? nil : ["x-check": "1", "y": ""]
        return [.head(head)] + bodies + [.end(trailers)]
    }

    private func sent(_ parts: [HTTPServerResponsePart], by handler: any ChannelHandler) throws -> String {
        let channel = EmbeddedChannel(handler: handler)
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
        if handler is HTTP1ConnectionHandler {
            try channel.writeInbound(HTTPServerRequestPart.head(.init(version: .http1_1, method: .GET, uri: "/")))
            try channel.writeInbound(HTTPServerRequestPart.end(nil))
        }
        for part in parts { channel.pipeline.syncOperations.write(NIOAny(part), promise: nil) }
        channel.pipeline.flush()
        let text = try channel.sentText()
        _ = try channel.finish(acceptAlreadyClosed: true)
        return text
    }

    @Test("are what NIO's encoder makes, byte for byte", arguments: 1...20)
    func differential(_ seed: UInt64) throws {
        var generator = Generator(state: seed)
        for _ in 0..<100 {
            let parts = Self.answer(&generator)
            let expected = try sent(parts, by: HTTPResponseEncoder())
            #expect(!expected.isEmpty)
            #expect(try sent(parts, by: HTTP1ConnectionHandler(HTTPOptions())) == expected)
        }
    }

    @Test("are the same from Hummingbird's types", arguments: 1...5)
    func types(_ seed: UInt64) throws {
        var generator = Generator(state: seed)
        for _ in 0..<100 {
            guard case .head(let head) = Self.answer(&generator)[0], let typed = try? HTTPResponse(head) else {
                continue
            }
            let converted = HTTPResponseHead(typed)
            var (one, other) = (ByteBuffer(), ByteBuffer())
            var encoder = HTTP1ResponseEncoder()
            encoder.write(typed, HeadSummary(typed.headerFields), .asWritten, isToHead: false, into: &one)
            encoder.write(converted, HeadSummary(converted.headers), .asWritten, isToHead: false, into: &other)
            #expect(one.readableBytes > 0)
            #expect(String(buffer: one) == String(buffer: other))
        }
    }

    @Test("replace what the application says of the connection")
    func persistence() {
        let head = HTTPResponseHead(
            version: .http1_1,
            status: .ok,
            headers: ["Connection": "x", "content-length": "0"]
        )
        let cases: [(HTTP1ResponseEncoder.Persistence, String)] = [
            (.asWritten, "Connection: x\r\ncontent-length: 0\r\n\r\n"),
            (.close, "content-length: 0\r\nconnection: close\r\n\r\n"),
            (.keepAlive, "content-length: 0\r\nconnection: keep-alive\r\n\r\n"),
        ]
        for (persistence, expected) in cases {
            var buffer = ByteBuffer()
            var encoder = HTTP1ResponseEncoder()
            encoder.write(head, HeadSummary(head.headers), persistence, isToHead: false, into: &buffer)
            #expect(String(buffer: buffer) == "HTTP/1.1 200 OK\r\n" + expected)
        }
    }

    @Test("have no body where the client expects none", arguments: [HTTPMethod.HEAD, .GET])
    func noBody(_ method: HTTPMethod) throws {
        let channel = EmbeddedChannel(handler: HTTP1ConnectionHandler(HTTPOptions()))
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
        // One behind the other: the answer to each is told from the others'.
        for method in [.GET, method, .GET] {
            try channel.writeInbound(HTTPServerRequestPart.head(.init(version: .http1_1, method: method, uri: "/")))
            try channel.writeInbound(HTTPServerRequestPart.end(nil))
        }
        let body = HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: "hello")))
        for status in [.ok, method == .HEAD ? .ok : .noContent, .ok] as [HTTPResponseStatus] {
            channel.pipeline.syncOperations.write(
                NIOAny(HTTPServerResponsePart.head(.init(version: .http1_1, status: status))),
                promise: nil
            )
            let promise = channel.eventLoop.makePromise(of: Void.self)
            channel.pipeline.syncOperations.write(NIOAny(body), promise: promise)
            channel.pipeline.syncOperations.write(NIOAny(HTTPServerResponsePart.end(nil)), promise: nil)
            channel.pipeline.flush()
            try promise.futureResult.wait()
        }
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        let full = chunked + "5\r\nhello\r\n0\r\n\r\n"
        let empty = method == .HEAD ? chunked : "HTTP/1.1 204 No Content\r\n\r\n"
        #expect(try channel.sentText() == full + empty + full)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test("keep their promises in order, whatever was gathered before")
    func promises() throws {
        let channel = EmbeddedChannel(handler: HTTP1ConnectionHandler(HTTPOptions()))
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.writeInbound(HTTPServerRequestPart.head(.init(version: .http1_1, method: .GET, uri: "/")))
        try channel.writeInbound(HTTPServerRequestPart.end(nil))
        let parts: [HTTPServerResponsePart] = [
            .head(.init(version: .http1_1, status: .ok)), .body(.byteBuffer(ByteBuffer())),
            .body(.byteBuffer(ByteBuffer(string: "a"))), .end(nil),
        ]
        var kept: [Int] = []
        for (number, part) in parts.enumerated() {
            let promise = channel.eventLoop.makePromise(of: Void.self)
            promise.futureResult.assumeIsolated().whenSuccess { kept.append(number) }
            channel.pipeline.syncOperations.write(NIOAny(part), promise: promise)
        }
        #expect(kept.isEmpty)
        channel.pipeline.flush()
        #expect(kept == [0, 1, 2, 3])
        _ = try channel.finish(acceptAlreadyClosed: true)
    }
}
#endif
