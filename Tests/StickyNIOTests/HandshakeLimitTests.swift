#if NIO
import NIOCore
import StickyServer
import StickyTLS
import Synchronization
import TLSTestSupport
import Testing

@testable import StickyNIO

@Suite("The limit of handshakes in progress (S1)", .timeLimit(.minutes(2)))
struct HandshakeLimitTests {
    private static let limit = 20

    private final class Events: Sendable {
        private let list = Mutex<[String]>([])
        var texts: [String] { list.withLock { $0 } }
        func add(_ event: TLSEvent) { list.withLock { $0.append(event.description) } }
    }

    private func handler(
        _ transport: NIOTransport,
        _ tls: TLSContext,
        _ group: (any EventLoopGroup)? = nil
    ) -> NIOConnectionHandler {
        NIOConnectionHandler(group: group, transport: transport, tls: tls) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let recorder = Recorder()
                recorder.onRead = { context, bytes in context.writeAndFlush(NIOAny(bytes), promise: nil) }
                try channel.pipeline.syncOperations.addHandler(recorder)
            }
        }
    }

    /// Completes a handshake of which the first bytes are sent, and has a word echoed.
    private static func finish(_ pair: Loopback, _ client: TestClient) throws -> [UInt8] {
        while !client.handshakeDone { try pair.send(client.step(pair.receive())) }
        try pair.send(client.send(Array("hello".utf8)))
        while client.received.isEmpty { client.step(try pair.receive()) }
        return client.takeReceived()
    }

    /// Returns when the loop has looked at every connection that it has now. Timers come before the handshakes of their
    /// turn, and a timer that is set later is of a later turn.
    private static func turn(_ loop: any EventLoop) throws {
        for _ in 0..<2 { try loop.scheduleTask(in: .milliseconds(1)) {}.futureResult.wait() }
    }

    @Test(
        "A flood of silent clients ends silent ones: who goes on goes on, and new ones are served",
        arguments: NIOTransport.allCases
    )
    func flood(transport: NIOTransport) async throws {
        let events = Events()
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.maximumHandshakesInProgress = Self.limit
        configuration.handshakeDeadline = .seconds(600)
        configuration.onEvent = { events.add($0) }
        let tls = try TLSContext(configuration)
        let group = try transport.makeGroup()
        let loop = group.next()
        let handler = handler(transport, tls, group)
        try await blocking {
            let (standing, standingClient) = (try Loopback(), TestClient())
            try standing.send(standingClient.step())
            standing.adopt(by: handler)
            #expect(try Self.finish(standing, standingClient) == Array("hello".utf8))

            // In the middle of its handshake: it has its answer, and takes its time.
            let (healthy, healthyClient) = (try Loopback(), TestClient())
            try healthy.send(healthyClient.step())
            healthy.adopt(by: handler)
            let answer = healthyClient.step(try healthy.receive())
            // And one that has sent half of its hello.
            let (slow, slowClient) = (try Loopback(), TestClient())
            let hello = slowClient.step()
            try slow.send(Array(hello.prefix(100)))
            slow.adopt(by: handler)

            let silent = try (0..<300).map { _ in
                let pair = try Loopback()
                pair.adopt(by: handler)
                try Self.turn(loop)
                return pair
            }
            // Those that were ended hear so, long before their deadline. At the end two others and these fill the limit.
            let ended = silent.count - (Self.limit - 2)
            for pair in silent.prefix(ended) { #expect(try pair.receive().isEmpty) }
            #expect(tls.counters.snapshot.handshakesRefused == 0)

            // All at once, before the loop has looked at any.
            let burst = try (0..<300).map { _ in try Loopback() }
            for pair in burst { pair.adopt(by: handler) }

            try healthy.send(answer)
            #expect(try Self.finish(healthy, healthyClient) == Array("hello".utf8))
            try slow.send(Array(hello.dropFirst(100)))
            #expect(try Self.finish(slow, slowClient) == Array("hello".utf8))
            let (new, newClient) = (try Loopback(), TestClient())
            try new.send(newClient.step())
            new.adopt(by: handler)
            #expect(try Self.finish(new, newClient) == Array("hello".utf8))
            try standing.send(standingClient.send(Array("still".utf8)))
            while standingClient.received.isEmpty { standingClient.step(try standing.receive()) }
            #expect(standingClient.takeReceived() == Array("still".utf8))
            let counts = tls.counters.snapshot
            #expect(counts.handshakesPassedOver >= ended)
            #expect(events.texts.count { $0.contains("TLS handshakes are in progress") } == 1)
            #expect(tls.handshakesInProgress <= Self.limit)
            withExtendedLifetime(burst) {}
        }
        try await group.shutdownGracefully()
        #expect(tls.handshakesInProgress == 0)
    }

    @Test("A reload brings another deadline to connections that come after it", arguments: NIOTransport.allCases)
    func deadline(transport: NIOTransport) async throws {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.handshakeDeadline = .seconds(600)
        let tls = try TLSContext(configuration)
        let handler = handler(transport, tls)
        configuration.handshakeDeadline = .milliseconds(100)
        try tls.reload(configuration)
        let rest = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            return try pair.receive()
        }
        #expect(rest.isEmpty)
        try await handler.shutdown()
    }
}
#endif
