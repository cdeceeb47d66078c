#if NIO
public import NIOCore
internal import NIOTLS
internal import StickyTLS

// Ciphertext from the channel to plaintext for the application.
extension OpenSSLServerHandler {
    /// Room for what the session itself has to say: a flight of the handshake, tickets, an alert. It keeps what does
    /// not fit and asks for another call.
    private static let ownOutput = 4096
    private static let mostPlaintext = 65_536
    /// Bytes of a handshake that wait for their turn.
    private static let mostWaiting = 16_384

    private var isDiscarding: Bool { state == .closing || state == .closed || inputHasEnded }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDiscarding else { return }
        var buffer = unwrapInboundIn(data)
        receivedAny = true
        if isDecrypting || waitsForTurn {
            // A handler above made the channel read again, or others have not had their turn.
            if waitingInput == nil { waitingInput = buffer } else { waitingInput?.writeBuffer(&buffer) }
            return
        }
        if state == .handshake {
            session.hearFromClient()
            if let handshakes {
                waitsForTurn = true
                waitingInput = buffer
                return handshakes.append(self, context)
            }
        }
        takeIn(context, &buffer)
    }

    /// Goes on with the handshake.
    func takeTurn(_ context: ChannelHandlerContext) {
        guard waitsForTurn, var buffer = waitingInput else { return }
        waitsForTurn = false
        waitingInput = nil
        takeIn(context, &buffer)
        readIsComplete(context)
        guard readIsWithheld else { return }
        readIsWithheld = false
        context.read()
    }

    /// The handshake always wants more, and a channel that does not read for a moment costs two system calls. But what a
    /// client can make us keep has a bound.
    private func readOnBeforeTurn(_ context: ChannelHandlerContext) {
        if (waitingInput?.readableBytes ?? 0) < Self.mostWaiting { context.read() } else { readIsWithheld = true }
    }

    private func takeIn(_ context: ChannelHandlerContext, _ buffer: inout ByteBuffer) {
        isDecrypting = true
        hasAnswered = true
        decrypt(context, &buffer)
        while var more = waitingInput, !isDiscarding {
            waitingInput = nil
            decrypt(context, &more)
        }
        isDecrypting = false
        waitingInput = nil
        if state == .handshake, let watch { session.waitForClient(watch) }
        if socketInputHasEnded { endOfInput(context) }
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        if waitsForTurn { readOnBeforeTurn(context) } else { readIsComplete(context) }
    }

    private func readIsComplete(_ context: ChannelHandlerContext) {
        let isUseful = hasDelivered
        if isUseful {
            hasDelivered = false
            readIsWanted = false
            // First, so that what the session has to say leaves together with the application's answer.
            context.fireChannelReadComplete()
        }
        flushStaged(context)
        // What came was of no use to the application, so its wish to read stands.
        if closing.isActive || !isUseful && (readIsWanted || state == .handshake) { context.read() }
    }

    public func read(context: ChannelHandlerContext) {
        readIsWanted = true
        if waitsForTurn { readOnBeforeTurn(context) } else { context.read() }
    }

    private func decrypt(_ context: ChannelHandlerContext, _ input: inout ByteBuffer) {
        undecrypted += input.readableBytes
        while !isDiscarding {
            var plaintext = ByteBuffer()
            if state != .handshake { plaintext = buffers.take(max(1024, min(undecrypted, Self.mostPlaintext))) }
            var output = staged ?? buffers.take(Self.ownOutput)
            staged = nil
            output.reserveCapacity(minimumWritableBytes: Self.ownOutput)
            let step = receive(&input, &plaintext, &output)
            if output.readableBytes > 0 { staged = output } else { buffers.give(output) }
            let produced = plaintext.readableBytes
            deliver(context, plaintext)
            switch step.status {
            case .plaintextFull: undecrypted = max(undecrypted, PlaintextQueue.recordSize)
            case .outputFull: flushStaged(context)
            case .handshakeCompleted: handshakeCompleted(context)
            case .peerClosed: return clientClosed(context)
            case .failed(let failure): return fail(context, failure, rest: input)
            default:
                if produced > 0 { undecrypted = 0 }
                return
            }
        }
    }

    private func receive(
        _ input: inout ByteBuffer,
        _ plaintext: inout ByteBuffer,
        _ output: inout ByteBuffer
    ) -> TLSStep {
        let step = input.withUnsafeReadableBytes { input in
            plaintext.withUnsafeMutableWritableBytes { plaintext in
                output.withUnsafeMutableWritableBytes { output in
                    session.receive(input, plaintext: plaintext, output: output)
                }
            }
        }
        input.moveReaderIndex(forwardBy: step.consumed)
        plaintext.moveWriterIndex(forwardBy: step.plaintext)
        output.moveWriterIndex(forwardBy: step.output)
        return step
    }

    private func deliver(_ context: ChannelHandlerContext, _ plaintext: consuming ByteBuffer) {
        guard plaintext.readableBytes > 0, !closeIsWanted else { return buffers.give(plaintext) }
        hasDelivered = true
        context.fireChannelRead(wrapInboundOut(plaintext))
        buffers.give(plaintext)
    }

    private func handshakeCompleted(_ context: ChannelHandlerContext) {
        handshakeEnded()
        state = .open
        let name = session.applicationProtocol
        context.fireUserInboundEventTriggered(TLSUserEvent.handshakeCompleted(negotiatedProtocol: name))
        if closeHasBegun { closing.watchProgress(context) { [self] in queue.byteCount } }
        encrypt(context)
    }

    private func clientClosed(_ context: ChannelHandlerContext) {
        guard !inputHasEnded else { return }
        inputHasEnded = true
        guard state == .open || state == .outputClosed else { return }
        context.fireUserInboundEventTriggered(TLSUserEvent.shutdownCompleted)
        directionEnded(context)
    }

    /// The client's TCP stream has ended, and all that it held has been decrypted.
    func endOfInput(_ context: ChannelHandlerContext) {
        if closing.isActive {
            closing.inputEnded(context)
        } else if state == .handshake {
            inputHasEnded = true
            handshakeAbandoned(context)
            closing.abort(context)
        } else if inputHasEnded {
            // After the client's close_notify. If ours is out too, nobody has anything to say any more.
            if state == .outputClosed { startLingering(context) }
        } else if state == .open || state == .outputClosed {
            inputHasEnded = true
            _ = session.endOfInput()
            context.fireErrorCaught(TLSTruncatedError())
            directionEnded(context)
        }
    }

    private func directionEnded(_ context: ChannelHandlerContext) {
        guard state == .open || state == .outputClosed else { return }
        let isHalf = (try? context.channel.syncOptions?.getOption(.allowRemoteHalfClosure)) ?? false
        if isHalf { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        if state == .outputClosed {
            startLingering(context)
        } else if !isHalf {
            context.channel.close(promise: nil)
        }
    }
}
#endif
