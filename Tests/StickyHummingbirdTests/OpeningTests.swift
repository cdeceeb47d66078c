#if Hummingbird
import NIOCore
import NIOEmbedded
import NIOTLS
import StickyNIO
import StickyServer
@testable import StickyHummingbird
import Testing

/// What a new connection goes through before its protocol is known.
@Suite("The opening of a connection")
struct OpeningTests {
    /// Stands for the handlers of a protocol, and notes what reaches them.
    private final class Follower: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        var text = ""
        var drains = 0
        var handshakes = 0

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event is StickyDrainEvent { drains += 1 }
            if event is TLSUserEvent { handshakes += 1 }
        }
    }

    private final class Choice {
        var isHTTP2: [Bool] = []
        let then = Follower()
    }

    private struct Failure: Error {}

    private let drain = StickyDrainEvent(DrainRequest(reason: .stopping, deadline: .now + .seconds(10)))

    private func preface() throws -> (EmbeddedChannel, Choice) {
        let choice = Choice()
        let channel = EmbeddedChannel()
        let handler = PrefaceHandler(timeout: .seconds(10)) { channel, isHTTP2, _ in
            choice.isHTTP2.append(isHTTP2)
            try channel.pipeline.syncOperations.addHandler(choice.then)
        }
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
        return (channel, choice)
    }

    @Test("HTTP/2's preface is known, however it is cut", arguments: [1, 3, 14, 24])
    func cutPreface(_ length: Int) throws {
        let (channel, choice) = try preface()
        let text = PrefaceHandler.preface + "frames"
        var rest = ByteBuffer(string: text)
        while let piece = rest.readSlice(length: min(length, rest.readableBytes)), piece.readableBytes > 0 {
            try channel.writeInbound(piece)
        }
        #expect(choice.isHTTP2 == [true])
        #expect(choice.then.text == text)
        _ = try channel.finish()
    }

    @Test("Anything else is HTTP/1.1, told at its first byte that differs", arguments: ["GET / ", "P", "PRI * HTTP/1"])
    func other(_ text: String) throws {
        let (channel, choice) = try preface()
        try channel.writeInbound(ByteBuffer(string: text))
        let isStillPreface = PrefaceHandler.preface.hasPrefix(text)
        #expect(choice.isHTTP2 == (isStillPreface ? [] : [false]))
        try channel.writeInbound(ByteBuffer(string: "OST"))
        #expect(choice.isHTTP2 == [false])
        #expect(choice.then.text == text + "OST")
        _ = try channel.finish()
    }

    @Test("Who says nothing is closed at the deadline, and no byte moves it")
    func silence() throws {
        let (channel, choice) = try preface()
        channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        try channel.writeInbound(ByteBuffer(string: "PRI"))
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(999))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(!channel.isActive)
        #expect(choice.isHTTP2.isEmpty)
    }

    @Test("Half a preface and the end is HTTP/1.1's business; nothing and the end is nobody's")
    func inputEnds() throws {
        let (channel, choice) = try preface()
        try channel.writeInbound(ByteBuffer(string: "PRI"))
        channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(choice.isHTTP2 == [false])
        #expect(choice.then.text == "PRI")
        _ = try channel.finish()

        let (silent, none) = try preface()
        silent.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(!silent.isActive)
        #expect(none.isHTTP2.isEmpty)
    }

    @Test("A drain leaves two seconds, and the protocol hears of it")
    func draining() throws {
        let (silent, _) = try preface()
        silent.pipeline.fireUserInboundEventTriggered(drain)
        silent.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(!silent.isActive)

        let (channel, choice) = try preface()
        channel.pipeline.fireUserInboundEventTriggered(drain)
        try channel.writeInbound(ByteBuffer(string: "GET"))
        #expect(choice.then.drains == 1)
        #expect(choice.then.text == "GET")
        channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(channel.isActive)
        _ = try channel.finish()
    }

    @Test("After the handshake the protocol is chosen, and hears of handshake and drain")
    func handshake() throws {
        let then = Follower()
        let channel = EmbeddedChannel()
        let handler = HandshakeHandler { try $0.pipeline.syncOperations.addHandler(then) }
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
        channel.pipeline.fireUserInboundEventTriggered(drain)
        #expect(then.drains == 0)
        channel.pipeline.fireUserInboundEventTriggered(TLSUserEvent.handshakeCompleted(negotiatedProtocol: "h2"))
        #expect(then.handshakes == 1)
        #expect(then.drains == 1)
        try channel.writeInbound(ByteBuffer(string: "frames"))
        #expect(then.text == "frames")
        #expect(throws: (any Error).self) { try channel.pipeline.syncOperations.handler(type: HandshakeHandler.self) }
        _ = try channel.finish()
    }

    @Test("A protocol that cannot be set up closes the connection")
    func failure() throws {
        let channel = EmbeddedChannel(handler: HandshakeHandler { _ in throw Failure() })
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
        channel.pipeline.fireUserInboundEventTriggered(TLSUserEvent.handshakeCompleted(negotiatedProtocol: nil))
        #expect(!channel.isActive)
        #expect(throws: Failure.self) { try channel.throwIfErrorCaught() }
    }
}
#endif
