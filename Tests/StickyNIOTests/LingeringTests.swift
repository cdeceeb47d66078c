#if NIO
import NIOCore
import StickyNIO
import StickyServer
import StickyTLS
import TLSTestSupport
import Testing

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The peers lose the tail of the answer in these cases, because a socket that is closed with unread bytes answers with
/// a reset.
@Suite("Whole answers arrive")
struct LingeringTests {
    private static let size = 4 << 20

    enum Ending: String, CaseIterable {
        /// The client says close_notify, then waits.
        case closeNotify
        /// The client ends its TCP stream without close_notify.
        case end
        case both
        /// The client goes on sending what nobody reads.
        case garbage
        /// Nothing.
        case silent
    }

    /// Answers the first bytes with 4 MiB and closes.
    private func handler(_ transport: NIOTransport, tls: TLSContext?, half: Bool) -> NIOConnectionHandler {
        NIOConnectionHandler(transport: transport, tls: tls) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let recorder = Recorder()
                var answered = false
                recorder.onRead = { context, _ in
                    guard !answered else { return }
                    answered = true
                    context.writeAndFlush(NIOAny(ByteBuffer(repeating: 65, count: Self.size)), promise: nil)
                    if half { context.close(mode: .output, promise: nil) } else { context.close(promise: nil) }
                }
                try channel.pipeline.syncOperations.addHandler(recorder)
            }
        }
    }

    @Test("over TLS, however the client ends", arguments: Ending.allCases, NIOTransport.allCases)
    func tls(ending: Ending, transport: NIOTransport) async throws {
        try await tls(ending, half: false, transport)
        try await tls(ending, half: true, transport)
    }

    private func tls(_ ending: Ending, half: Bool, _ transport: NIOTransport) async throws {
        let context = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let handler = handler(transport, tls: context, half: half)
        let (count, closed) = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            let client = try pair.shakeHands()
            try pair.send(client.send([1]))
            switch ending {
            case .closeNotify: try pair.send(client.close())
            case .end: pair.endOutput()
            case .both:
                try pair.send(client.close())
                pair.endOutput()
            case .garbage: try pair.send(client.send([UInt8](repeating: 2, count: 100_000)))
            case .silent: break
            }
            // Late, so that the server is done long before and everything sits in buffers.
            var count = 0
            while true {
                let piece = try pair.receive()
                if piece.isEmpty { return (count, client.serverHasClosed) }
                client.step(piece)
                count += client.takeReceived().count
            }
        }
        #expect(count == Self.size)
        #expect(closed)
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
    }

    @Test("in the clear, however the client ends", arguments: [Ending.end, .garbage, .silent], NIOTransport.allCases)
    func plain(ending: Ending, transport: NIOTransport) async throws {
        let handler = handler(transport, tls: nil, half: false)
        let count = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            try pair.send([1])
            switch ending {
            case .end: pair.endOutput()
            case .garbage: try pair.send([UInt8](repeating: 2, count: 100_000))
            default: break
            }
            return try pair.receiveAll().count
        }
        #expect(count == Self.size)
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
    }

    @Test("and a client that never ends its own direction is left after 2 s", arguments: NIOTransport.allCases)
    func limit(transport: NIOTransport) async throws {
        let handler = handler(transport, tls: nil, half: false)
        let pair = try Loopback()
        pair.adopt(by: handler)
        try pair.send([1])
        #expect(try pair.receiveAll().count == Self.size)
        let start = ContinuousClock.now
        while try await handler.openChannels() > 0 { try await Task.sleep(for: .milliseconds(20)) }
        let time = ContinuousClock.now - start
        #expect(time > .milliseconds(1500) && time < .seconds(10))
        try await handler.shutdown()
    }

    @Test("After close(mode: .output) the server still receives", arguments: NIOTransport.allCases)
    func receivesAfterOutput(transport: NIOTransport) async throws {
        let context = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let (received, done) = AsyncStream.makeStream(of: [UInt8].self)
        let handler = NIOConnectionHandler(transport: transport, tls: context) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let recorder = Recorder()
                recorder.onEvent = { context, event in
                    switch event as? ChannelEvent {
                    case nil where !(event is ChannelEvent) && context.channel.isActive:
                        context.close(mode: .output, promise: nil)
                    case .inputClosed?: done.yield(recorder.received)
                    default: break
                    }
                }
                try channel.pipeline.syncOperations.addHandler(recorder)
            }
        }
        try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            let client = try pair.shakeHands()
            while !client.serverHasClosed { client.step(try pair.receive()) }
            try pair.send(client.send(Array("late upload".utf8)) + client.close())
            #expect(try pair.receiveAll().isEmpty)
            pair.endOutput()
        }
        for await bytes in received {
            #expect(bytes == Array("late upload".utf8))
            break
        }
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
    }
}
#endif
