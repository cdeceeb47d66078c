#if NIO
import NIOCore
import NIOTLS
import StickyNIO
import StickyServer
import StickyTLS

/// Carries a ``Conversation`` over a channel, and takes no more from the client than it can answer.
final class ConversationHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let facts: Facts
    private let connection: StickyConnectionInfo
    private var conversation: Conversation?
    private var outputs: [Conversation.Output] = []
    private var sent = 0
    private var wasTruncated = false
    private var isPumping = false
    private var isClosed = false

    init(_ facts: Facts, _ connection: StickyConnectionInfo) {
        self.facts = facts
        self.connection = connection
    }

    static func serving(
        _ context: TLSContext,
        _ transport: NIOTransport,
        _ facts: Facts,
        sendBuffer: Int?
    ) -> NIOConnectionHandler {
        NIOConnectionHandler(transport: transport, tls: context) { channel, connection in
            channel.eventLoop.makeCompletedFuture {
                if let sendBuffer {
                    try channel.syncOptions?.setOption(.socketOption(.so_sndbuf), value: sendBuffer)
                }
                try channel.pipeline.syncOperations.addHandler(ConversationHandler(facts, connection))
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let input = unwrapInboundIn(data)
        outputs += talk(context) { $0.receive(input.readableBytesView) }
        pump(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump(context)
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            let isClean = !wasTruncated
            outputs += talk(context) { $0.end(isClean: isClean) }
            pump(context)
        } else if event is StickyDrainEvent, outputs.isEmpty {
            close(context)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The stream has ended but can still be answered; after other errors the TLS handler closes.
        wasTruncated = wasTruncated || error is TLSTruncatedError
    }

    private func talk(
        _ context: ChannelHandlerContext,
        _ body: (inout Conversation) -> [Conversation.Output]
    ) -> [Conversation.Output] {
        var current = conversation ?? Conversation(facts: facts.text("\(connection.peer)", context.stickyTLS))
        defer { conversation = current }
        return body(&current)
    }

    private func pump(_ context: ChannelHandlerContext) {
        guard !isPumping else { return }
        isPumping = true
        while context.channel.isWritable, let next = outputs.first, !isClosed {
            switch next {
            case .bytes(let bytes):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
            case .pattern(let count):
                let piece = min(Conversation.patternPiece, count - sent)
                let bytes = Conversation.pattern(sent, count: piece)
                sent += piece
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
                if sent < count { continue }
                sent = 0
            case .close:
                close(context)
            }
            outputs.removeFirst()
        }
        isPumping = false
    }

    private func close(_ context: ChannelHandlerContext) {
        isClosed = true
        context.close(promise: nil)
    }
}
#endif
