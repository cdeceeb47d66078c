#if NIO
import NIOCore
import StickyNIO
import StickyServer
import StickyTLS
import TLSTestSupport
import Testing

/// A client that has ended its direction still gets the whole answer when the server then ends its own: a channel of
/// NIO takes the second half-closure for a close and drops what it has not sent.
@Suite("Half-closed from both sides")
struct HalfCloseTests {
    /// More than a socket takes at once.
    private static let size = 16 << 20

    private func answer(_ context: ChannelHandlerContext, _ size: Int) {
        context.writeAndFlush(NIOAny(ByteBuffer(repeating: 65, count: size)), promise: nil)
        context.close(mode: .output, promise: nil)
    }

    @Test("an answer to everything, begun when the client has ended", arguments: NIOTransport.allCases, [false, true])
    func afterTheEnd(transport: NIOTransport, secure: Bool) async throws {
        let tls = secure ? try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity])) : nil
        let handler = NIOConnectionHandler(transport: transport, tls: tls) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let recorder = Recorder()
                recorder.onEvent = { context, event in
                    if case .inputClosed? = event as? ChannelEvent { answer(context, Self.size) }
                }
                try channel.pipeline.syncOperations.addHandler(recorder)
            }
        }
        let count = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            guard secure else {
                try pair.send([1])
                pair.endOutput()
                return try pair.receiveAll().count
            }
            let client = try pair.shakeHands()
            try pair.send(client.send([1]) + client.close())
            pair.endOutput()
            return try Self.receiveAll(pair, client)
        }
        #expect(count == Self.size)
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
    }

    @Test("an answer given while the client's last bytes are decrypted", arguments: NIOTransport.allCases)
    func withTheEnd(transport: NIOTransport) async throws {
        // One write of ciphertext, more than these sockets hold, so that a rest stays in the channel.
        let size = 128 << 10
        let tls = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let group = try transport.makeGroup()
        let handler = NIOConnectionHandler(group: group, tls: tls) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let recorder = Recorder()
                recorder.onRead = { context, _ in answer(context, size) }
                try channel.pipeline.syncOperations.addHandler(recorder)
            }
        }
        let count = try await blocking {
            let pair = try Loopback(sendBuffer: 8192, receiveBuffer: 8192)
            pair.adopt(by: handler)
            let client = TestClient()
            try pair.send(client.step())
            var last: [UInt8] = []
            while !client.handshakeDone { last += client.step(try pair.receive()) }
            // While the loop stands still, the end of the handshake, the request and the end of the stream come.
            let gate = Gate()
            group.next().execute { gate.stand() }
            gate.awaitStanding()
            try pair.send(last + client.send([1]))
            pair.endOutput()
            gate.open()
            return try Self.receiveAll(pair, client)
        }
        #expect(count == size)
        while try await handler.openChannels() > 0 {}
        try await group.shutdownGracefully()
    }

    /// The bytes of plaintext up to close_notify; -1 without it.
    private static func receiveAll(_ pair: Loopback, _ client: TestClient) throws -> Int {
        var count = 0
        while true {
            let piece = try pair.receive()
            if piece.isEmpty { return client.serverHasClosed ? count : -1 }
            client.step(piece)
            count += client.takeReceived().count
        }
    }
}
#endif
