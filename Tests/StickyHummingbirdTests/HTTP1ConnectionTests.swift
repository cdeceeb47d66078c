#if Hummingbird
import NIOCore
import NIOEmbedded
import NIOHTTP1
import StickyNIO
import StickyServer
@testable import StickyHummingbird
import Testing

@Suite("An HTTP/1.1 connection")
struct HTTP1ConnectionTests {
    private func connection(_ change: (inout HTTPOptions) -> Void = { _ in }) throws -> EmbeddedChannel {
        var options = HTTPOptions()
        change(&options)
        let channel = EmbeddedChannel(handler: HTTP1ConnectionHandler(options))
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
        return channel
    }

    private func ask(
        _ channel: EmbeddedChannel,
        _ method: HTTPMethod = .GET,
        version: HTTPVersion = .http1_1,
        headers: HTTPHeaders = [:],
        end: Bool = true
    ) throws {
        let head = HTTPRequestHead(version: version, method: method, uri: "/", headers: headers)
        try channel.writeInbound(HTTPServerRequestPart.head(head))
        if end { try channel.writeInbound(HTTPServerRequestPart.end(nil)) }
        // As every channel does behind what it has read.
        channel.read()
    }

    /// Answers, and returns the head that leaves.
    private func answer(
        _ channel: EmbeddedChannel,
        _ status: HTTPResponseStatus = .ok,
        end: Bool = true
    ) throws -> HTTPResponseHead? {
        let head = HTTPResponseHead(version: .http1_1, status: status)
        try channel.writeOutbound(HTTPServerResponsePart.head(head))
        if end { try channel.writeOutbound(HTTPServerResponsePart.end(nil)) }
        return try SentResponse(channel.sentText())?.head
    }

    private func heads(_ channel: EmbeddedChannel) throws -> Int {
        var count = 0
        while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
            if case .head = part { count += 1 }
        }
        return count
    }

    private func drain(_ channel: EmbeddedChannel, _ reason: DrainRequest.Reason) {
        let request = DrainRequest(reason: reason, deadline: .now + .seconds(10))
        channel.pipeline.fireUserInboundEventTriggered(StickyDrainEvent(request))
    }

    private func wait(_ channel: EmbeddedChannel, _ seconds: Int64) {
        channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
    }

    @Test("closes when no request comes, first or next")
    func idle() throws {
        let channel = try connection()
        wait(channel, 9)
        try ask(channel)
        wait(channel, 1_000)
        #expect(channel.isActive, "an answer may take its time")
        #expect(try answer(channel)?.headers.contains(name: "connection") == false)
        wait(channel, 59)
        #expect(channel.isActive)
        wait(channel, 1)
        #expect(!channel.isActive)

        let silent = try connection()
        wait(silent, 10)
        #expect(!silent.isActive)
    }

    @Test("tells the reader of a body that stalls, and closes if nobody answers")
    func stalledBody() throws {
        let channel = try connection()
        try ask(channel, .POST, headers: ["content-length": "10"], end: false)
        wait(channel, 29)
        try channel.writeInbound(HTTPServerRequestPart.body(ByteBuffer(string: "half")))
        channel.read()
        wait(channel, 29)
        try channel.throwIfErrorCaught()
        wait(channel, 1)
        #expect(throws: RequestAborted.self) { try channel.throwIfErrorCaught() }
        #expect(channel.isActive)
        wait(channel, 5)
        #expect(!channel.isActive)
    }

    @Test("blames nobody while the reader of the body rests")
    func restingReader() throws {
        let channel = try connection()
        try ask(channel, .POST, headers: ["content-length": "10"], end: false)
        // Nothing is read behind it: the reader has enough.
        try channel.writeInbound(HTTPServerRequestPart.body(ByteBuffer(string: "half")))
        wait(channel, 1_000)
        try channel.throwIfErrorCaught()
        channel.read()
        wait(channel, 30)
        #expect(throws: RequestAborted.self) { try channel.throwIfErrorCaught() }
        _ = try answer(channel, .requestTimeout)
    }

    @Test("waits for the next request behind a body that came after its answer")
    func earlyAnswer() throws {
        let channel = try connection()
        try ask(channel, .POST, headers: ["content-length": "1"], end: false)
        _ = try answer(channel)
        try channel.writeInbound(HTTPServerRequestPart.end(nil))
        channel.read()
        wait(channel, 59)
        #expect(channel.isActive)
        wait(channel, 1)
        #expect(!channel.isActive)
    }

    @Test("says close in the answer to a body that stalls")
    func answerToStalledBody() throws {
        let channel = try connection()
        try ask(channel, .POST, headers: ["content-length": "10"], end: false)
        wait(channel, 30)
        #expect(throws: RequestAborted.self) { try channel.throwIfErrorCaught() }
        #expect(try answer(channel, .requestTimeout)?.headers["connection"] == ["close"])
        #expect(!channel.isActive)
    }

    @Test("refuses bodies beyond the limit, by what they say and by what they are")
    func bodyLimit() throws {
        let said = try connection { $0.limits.requestBody = 5 }
        #expect(throws: RequestAborted.self) {
            try ask(said, .POST, headers: ["content-length": "6"], end: false)
        }
        #expect(try answer(said, .payloadTooLarge)?.headers["connection"] == ["close"])
        #expect(!said.isActive)

        let sent = try connection { $0.limits.requestBody = 5 }
        try ask(sent, .POST, headers: ["transfer-encoding": "chunked"], end: false)
        try sent.writeInbound(HTTPServerRequestPart.body(ByteBuffer(string: "12345")))
        #expect(throws: RequestAborted.self) {
            try sent.writeInbound(HTTPServerRequestPart.body(ByteBuffer(string: "6")))
        }
        #expect(try answer(sent, .payloadTooLarge)?.headers["connection"] == ["close"])
    }

    @Test("asks for the body that waits to be asked for")
    func expectContinue() throws {
        let channel = try connection()
        try ask(channel, .POST, headers: ["expect": "100-Continue", "content-length": "1"], end: false)
        #expect(try channel.sentText() == "HTTP/1.1 100 Continue\r\n\r\n")

        let old = try connection()
        try ask(old, .POST, version: .http1_0, headers: ["expect": "100-continue", "content-length": "1"], end: false)
        #expect(try old.sentText() == "")
        _ = try old.finish(acceptAlreadyClosed: true)
    }

    @Test("closes behind HTTP/1.0, unless the client wants to keep it")
    func http10() throws {
        let channel = try connection()
        try ask(channel, version: .http1_0)
        #expect(try answer(channel)?.headers["connection"] == ["close"])
        #expect(!channel.isActive)

        let kept = try connection()
        try ask(kept, version: .http1_0, headers: ["connection": "keep-alive"])
        #expect(try answer(kept)?.headers["connection"] == ["keep-alive"])
        #expect(kept.isActive)
    }

    @Test("answers nothing behind a request that was the last")
    func lastRequest() throws {
        let channel = try connection { $0.limits.requestsPerConnection = 2 }
        try ask(channel)
        try ask(channel)
        try ask(channel)
        #expect(try heads(channel) == 2)
        #expect(try answer(channel)?.headers.contains(name: "connection") == false)
        #expect(try answer(channel)?.headers["connection"] == ["close"])
        #expect(!channel.isActive)
    }

    @Test("drains: idle at once, in progress after its answer, fresh after two seconds")
    func draining() throws {
        let idle = try connection()
        try ask(idle)
        _ = try answer(idle)
        drain(idle, .stopping)
        #expect(!idle.isActive)

        let busy = try connection()
        try ask(busy)
        drain(busy, .stopping)
        #expect(try answer(busy)?.headers["connection"] == ["close"])
        #expect(!busy.isActive)

        let fresh = try connection()
        drain(fresh, .stopping)
        wait(fresh, 1)
        #expect(fresh.isActive)
        wait(fresh, 1)
        #expect(!fresh.isActive)
    }

    @Test("has one more request when it is replaced")
    func replaced() throws {
        let channel = try connection()
        try ask(channel)
        _ = try answer(channel)
        drain(channel, .replaced)
        #expect(channel.isActive)
        try ask(channel)
        #expect(try answer(channel)?.headers["connection"] == ["close"])
        #expect(!channel.isActive)

        let idle = try connection()
        try ask(idle)
        _ = try answer(idle)
        drain(idle, .replaced)
        wait(idle, 8)
        #expect(!idle.isActive)
    }
}
#endif
