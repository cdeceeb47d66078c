#if NIO
import Logging
import NIOCore
import StickyServer
import StickyTLS
import Synchronization
import TLSTestSupport
import Testing

@testable import StickyNIO

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite("Handshakes beside established connections")
struct HandshakeOrderTests {
    /// How many of these clients have been sent something.
    private static func answered(_ clients: [CInt]) -> Int {
        clients.count { client in
            var waiting = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
            return poll(&waiting, 1, 0) == 1
        }
    }

    @Test(
        "A request that comes with a crowd of new clients is served after a few of their handshakes",
        arguments: NIOTransport.allCases
    )
    func establishedFirst(transport: NIOTransport) async throws {
        let crowd = 40
        let tls = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let newcomers = Mutex<[CInt]>([])
        let seen = Mutex<Int?>(nil)
        let group = try transport.makeGroup()
        let handler = NIOConnectionHandler(group: group, tls: tls) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let recorder = Recorder()
                recorder.onRead = { context, bytes in
                    seen.withLock { seen in
                        let crowd = newcomers.withLock { $0 }
                        if seen == nil, !crowd.isEmpty { seen = Self.answered(crowd) }
                    }
                    context.writeAndFlush(NIOAny(bytes), promise: nil)
                }
                try channel.pipeline.syncOperations.addHandler(recorder)
            }
        }
        try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            let client = try pair.shakeHands()
            // An answer says that the server, too, has it behind itself.
            try pair.send(client.send(Array("first".utf8)))
            while client.received.isEmpty { client.step(try pair.receive()) }
            _ = client.takeReceived()

            // While the loop stands still, the crowd comes, and after it the request.
            let gate = Gate()
            group.next().execute { gate.stand() }
            gate.awaitStanding()
            let pairs = try (0..<crowd).map { _ in try Loopback() }
            newcomers.withLock { $0 = pairs.map(\.client) }
            for newcomer in pairs {
                try newcomer.send(TestClient().step())
                newcomer.adopt(by: handler)
            }
            try pair.send(client.send(Array("hello".utf8)))
            gate.open()
            while client.received.isEmpty { client.step(try pair.receive()) }
            // And nobody is forgotten.
            for newcomer in pairs {
                let hello = try newcomer.receive()
                #expect(hello.first == 22)
            }
        }
        let before = try #require(seen.withLock { $0 })
        #expect(before <= HandshakeTurns<Int>.mostHandshakes, "\(before) of \(crowd) handshakes came first")
        try await group.shutdownGracefully()
    }
}
#endif
