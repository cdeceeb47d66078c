#if Hummingbird && os(Linux)
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import StickyNIO
@testable import StickyHummingbird
import TestSupport
import Testing

@Suite("The exchange between a connection and the task that serves it")
struct HTTP1ExchangeTests {
    /// A loop, a channel and an exchange; `body` is called off the loop, and `on` does something there.
    private struct Place: Sendable {
        let loop: StickyEventLoop
        let channel: QuietChannel
        let exchange: HTTP1Exchange

        func on<Result: Sendable>(_ work: @escaping @Sendable (QuietChannel) throws -> Result) async throws -> Result {
            try await loop.submit { [channel] in try work(channel) }.get()
        }

        /// As the task that serves: on the loop's executor.
        func serving<Result: Sendable>(
            _ work: @escaping @Sendable (HTTP1Exchange) async throws -> Result
        ) -> Task<Result, any Error> {
            Task(executorPreference: loop.taskExecutor) { [exchange] in try await work(exchange) }
        }
    }

    private func withPlace(_ body: (Place) async throws -> Void) async throws {
        let loop = try StickyEventLoop()
        let channel = QuietChannel(loop)
        let exchange = try await loop.submit {
            let connection = HTTP1ConnectionHandler(HTTPOptions())
            let exchange = HTTP1Exchange(channel, connection)
            try channel.pipeline.syncOperations.addHandler(connection)
            try channel.pipeline.syncOperations.addHandler(exchange)
            return exchange
        }.get()
        do {
            try await body(Place(loop: loop, channel: channel, exchange: exchange))
            try await loop.submit { channel.removeHandlers(pipeline: channel.pipeline) }.get()
        } catch {
            try await loop.shutdownGracefully()
            throw error
        }
        try await loop.shutdownGracefully()
    }

    private static let head = HTTPServerRequestPart.head(
        HTTPRequestHead(version: .http1_1, method: .GET, uri: "/", headers: ["host": "localhost"])
    )
    private static let answer = HTTPResponsePart.head(HTTPResponse(status: .ok))
    private static let body = HTTPResponsePart.body(ByteBuffer(string: "hello"))
    private static let headText = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    private static let text = headText + "5\r\nhello\r\n0\r\n\r\n"

    @Test("sends an answer with one write and one flush")
    func oneFlush() async throws {
        try await withPlace { place in
            try await place.serving { exchange in
                for part in [Self.answer, Self.body, .end(nil)] { try await exchange.write(part, of: exchange.answer) }
            }.value
            // What was put off for later has had its turn.
            try await place.on { _ in }
            let (text, written, flushes) = try await place.on { ($0.text, $0.written.count, $0.flushes) }
            #expect(text == Self.text)
            #expect(written == 1)
            #expect(flushes == 1)
        }
    }

    @Test("sends what there is of an answer when its writer waits")
    func flushOfStream() async throws {
        try await withPlace { place in
            try await place.serving { exchange in
                for part in [Self.answer, Self.body] { try await exchange.write(part, of: exchange.answer) }
            }.value
            try await eventually(within: 10, "it is flushed") { try await place.on { $0.flushes } == 1 }
        }
    }

    @Test("takes an answer from any thread")
    func elsewhere() async throws {
        try await withPlace { place in
            for part in [Self.answer, Self.body, .end(nil)] { try await place.exchange.write(part, of: 0) }
            #expect(try await place.on { $0.text } == Self.text)
        }
    }

    @Test("takes nothing for an answer that is finished")
    func lateWriter() async throws {
        try await withPlace { place in
            try await place.exchange.write(Self.answer, of: 0)
            try await place.exchange.write(.end(nil), of: 0)
            await #expect(throws: ChannelError.self) { try await place.exchange.write(Self.body, of: 0) }
            try await place.exchange.write(Self.answer, of: 1)
            try await eventually(within: 10, "the next answer is sent") {
                try await place.on { $0.text } == Self.headText + "0\r\n\r\n" + Self.headText
            }
        }
    }

    @Test("lets a writer wait until the client takes more", arguments: [true, false])
    func backPressure(_ isServing: Bool) async throws {
        try await withPlace { place in
            try await place.exchange.write(Self.answer, of: 0)
            try await eventually(within: 10, "it is flushed") { try await place.on { $0.flushes } == 1 }
            try await place.on { $0.becomeWritable(false) }
            let work: @Sendable (HTTP1Exchange) async throws -> Void = { try await $0.write(Self.body, of: 0) }
            let writer = isServing ? place.serving(work) : Task { try await work(place.exchange) }
            for _ in 0..<100 {
                await Task.yield()
                #expect(try await place.on { $0.text } == Self.headText)
            }
            try await place.on { $0.becomeWritable(true) }
            try await writer.value
            try await eventually(within: 10, "it is sent") {
                try await place.on { $0.text } == Self.headText + "5\r\nhello\r\n"
            }
        }
    }

    @Test("fails a writer that waits when the client goes, and when its task is cancelled")
    func waitingWriters() async throws {
        try await withPlace { place in
            try await place.on { $0.becomeWritable(false) }
            let cancelled = Task { try await place.exchange.write(Self.body, of: 0) }
            let late = Task {
                while !Task.isCancelled { await Task.yield() }
                try await place.exchange.write(Self.body, of: 0)
            }
            let left = Task { try await place.exchange.write(Self.body, of: 0) }
            await Task.yield()
            cancelled.cancel()
            late.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            await #expect(throws: CancellationError.self) { try await late.value }
            try await place.on { $0.pipeline.syncOperations.fireChannelInactive() }
            await #expect(throws: ChannelError.self) { try await left.value }
            #expect(try await place.on { $0.written.isEmpty })
        }
    }

    @Test("gives one request after the other, and then the end")
    func requests() async throws {
        try await withPlace { place in
            let served = place.serving { exchange in
                var count = 0
                while case .request = try await exchange.next() { count += 1 }
                return count
            }
            try await place.on { $0.receive(Self.head, .end(nil), Self.head, .end(nil)) }
            try await place.on { $0.receive(Self.head, .end(nil)) }
            try await place.on { $0.pipeline.syncOperations.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
            #expect(try await served.value == 3)
        }
    }

    @Test("reads no more while enough requests wait, and goes on when they are taken")
    func readingRests() async throws {
        try await withPlace { place in
            for _ in 0..<20 { try await place.on { $0.receive(Self.head, .end(nil)) } }
            #expect(try await place.on { $0.reads } == 4)
            try await place.serving { exchange in for _ in 0..<20 { _ = try await exchange.next() } }.value
            #expect(try await place.on { $0.reads } == 5)
        }
    }

    @Test("ends with the error behind the requests that came before it, and when it is cancelled")
    func errors() async throws {
        struct Broken: Error {}
        try await withPlace { place in
            try await place.on {
                $0.receive(Self.head, .end(nil))
                $0.pipeline.syncOperations.fireErrorCaught(Broken())
            }
            guard case .request = try await place.serving({ try await $0.next() }).value else {
                Issue.record("no request")
                return
            }
            await #expect(throws: Broken.self) { try await place.serving { try await $0.next() }.value }
        }
        try await withPlace { place in
            let waiting = place.serving { try await $0.next() }
            place.exchange.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
        }
    }

    @Test("hands a request with a body over, and all that comes after it")
    func handingOver() async throws {
        final class Behind: ChannelInboundHandler, @unchecked Sendable {
            typealias InboundIn = HTTPServerRequestPart
            var parts = 0
            var hasEnded = false
            func channelRead(context: ChannelHandlerContext, data: NIOAny) { parts += 1 }
            func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { hasEnded = true }
        }
        try await withPlace { place in
            let behind = Behind()
            try await place.on { $0.receive(Self.head, .end(nil), Self.head, .body(ByteBuffer(string: "a"))) }
            let handedOver = try await place.serving { exchange in
                guard case .request = try await exchange.next(), case .unfinished = try await exchange.next() else {
                    return false
                }
                try exchange.handOver { try $0.pipeline.syncOperations.addHandler(behind) }
                return true
            }.value
            #expect(handedOver)
            #expect(try await place.on { _ in behind.parts } == 2)
            try await place.on {
                $0.receive(.end(nil), Self.head)
                $0.pipeline.syncOperations.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            }
            #expect(try await place.on { _ in behind.parts } == 4)
            #expect(try await place.on { _ in behind.hasEnded })
            await #expect(throws: ChannelError.self) { try await place.exchange.write(Self.answer, of: 0) }
        }
    }
}
#endif
