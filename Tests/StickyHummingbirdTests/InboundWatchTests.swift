#if Hummingbird && os(Linux)
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import StickyNIO
@testable import StickyHummingbird
import Synchronization
import TestSupport
import Testing

@Suite("What tells a handler that its client has gone")
struct InboundWatchTests {
    private func onLoop<Result: Sendable>(
        _ work: @escaping @Sendable (StickyEventLoop) async throws -> Result
    ) async throws -> Result {
        let loop = try StickyEventLoop()
        let result = await Task(executorPreference: loop.taskExecutor) { try await work(loop) }.result
        try await loop.shutdownGracefully()
        return try result.get()
    }

    @Test("is lent again as long as nobody has listened to it")
    func lending() async throws {
        try await onLoop { loop in
            let watches = InboundWatches()
            #expect(watches.take() == nil)
            let watch = try #require(await InboundWatch.make(on: loop, Logger(label: "test")))
            for _ in 0..<3 {
                watches.give(watch)
                #expect(watches.take() === watch)
                #expect(watches.take() == nil)
            }
            watch.end()
            watches.give(watch)
            #expect(watches.take() == nil)
        }
    }

    @Test("is told to the one who listens, whose request's body is empty; and is not lent again")
    func listening() async throws {
        try await onLoop { loop in
            let watches = InboundWatches()
            for isClosing in [true, false] {
                let watch = try #require(await InboundWatch.make(on: loop, Logger(label: "test")))
                let heard = Mutex(false)
                let head = HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/")
                let request = Request(head: head, body: watch.body)
                let count = try await request.body.consumeWithInboundCloseHandler { body in
                    let count = try await body.collect(upTo: 10).readableBytes
                    if isClosing { watch.end() }
                    try await eventually(within: 10, "it is heard") { !isClosing || heard.withLock { $0 } }
                    return count
                } onInboundClosed: {
                    heard.withLock { $0 = true }
                }
                #expect(count == 0)
                watches.give(watch)
                #expect(watches.take() == nil, "somebody has listened")
            }
        }
    }

    @Test("stays with a body that middleware has replaced")
    func replacedBody() async throws {
        try await onLoop { loop in
            let watch = try #require(await InboundWatch.make(on: loop, Logger(label: "test")))
            let head = HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/")
            var request = Request(head: head, body: watch.body)
            for text in ["one", "other"] { request.body = RequestBody(buffer: ByteBuffer(string: text)) }
            let text = try await request.body.consumeWithCancellationOnInboundClose { body in
                String(buffer: try await body.collect(upTo: 10))
            }
            #expect(text == "other")
        }
    }
}
#endif
