#if NIO
internal import Logging
public import NIOCore
internal import StickyServer
internal import StickyTLS

// Ends of all kinds: asked for, failed and late.
extension OpenSSLServerHandler {
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard state != .closed else { return context.close(mode: mode, promise: promise) }
        switch mode {
        case .output: closeOutput(context, promise)
        case .input: closeInput(context, promise)
        case .all: closeAll(context, promise)
        }
    }

    private func closeOutput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        guard !outputCloseIsWanted else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        outputCloseIsWanted = true
        outputClosePromise = promise
        queue.markFlushed()
        encrypt(context)
    }

    /// The client cannot be told, so what it sends is discarded.
    private func closeInput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        guard !inputHasEnded else {
            promise?.fail(ChannelError.inputClosed)
            return
        }
        inputHasEnded = true
        promise?.succeed(())
        context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        if state == .outputClosed { startLingering(context) }
    }

    private func closeAll(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        closing.add(promise)
        guard !closeIsWanted else { return }
        closeIsWanted = true
        guard context.channel.isActive else { return closing.abort(context) }
        // A tick later, so that what handlers above still write in this one goes out too.
        context.eventLoop.assumeIsolated().execute { [self] in beginClosing(context) }
    }

    private func beginClosing(_ context: ChannelHandlerContext) {
        guard state != .closed, !closing.isActive else { return }
        closeHasBegun = true
        queue.markFlushed()
        switch state {
        case .handshake where queue.isEmpty:
            handshakeFailed(context, .cancelled, level: .debug)
            startLingering(context)
        case .handshake:
            // What was written goes out after the handshake, which has its deadline.
            break
        case .open:
            closing.watchProgress(context) { [self] in queue.byteCount }
            encrypt(context)
        case .outputClosed:
            startLingering(context)
        case .closing, .closed:
            break
        }
    }

    /// Everything that was flushed is in the channel.
    func outputDrained(_ context: ChannelHandlerContext) {
        guard state == .open else { return }
        if closeHasBegun {
            sayGoodbye()
            startLingering(context)
        } else if outputCloseIsWanted {
            sayGoodbye()
            let promise = outputClosePromise
            outputClosePromise = nil
            if inputHasEnded {
                promise?.succeed(())
                startLingering(context)
            } else {
                state = .outputClosed
                flushStaged(context)
                // The end of the TCP stream can be known while what came before it is still being decrypted.
                closing.endOutput(context, inputEnded: socketInputHasEnded, promise: promise)
            }
        }
    }

    /// close_notify, once: the session itself sees to it that there is no second.
    private func sayGoodbye() {
        var output = staged ?? buffers.take(512)
        staged = nil
        output.reserveCapacity(minimumWritableBytes: 512)
        let step = output.withUnsafeMutableWritableBytes { session.close(output: $0) }
        output.moveWriterIndex(forwardBy: step.output)
        staged = output
    }

    /// From here on the client is only waited for.
    func startLingering(_ context: ChannelHandlerContext) {
        guard state != .closed, !closing.isActive else { return }
        state = .closing
        handshakeEnded()
        flushStaged(context)
        closing.begin(context, inputEnded: socketInputHasEnded)
    }

    // MARK: - Failures

    /// TLS says no. What the session left in the output is its alert; `rest` is what it did not look at.
    func fail(_ context: ChannelHandlerContext, _ failure: TLSFailure, rest: ByteBuffer = ByteBuffer()) {
        guard state != .closed, state != .closing else { return }
        let wasHandshake = state == .handshake
        state = .closing
        closeIsWanted = true
        if failure.kind == .plainHTTP {
            staged = ByteBuffer(bytes: tls.answerToPlainHTTP(failure.head + rest.readableBytesView))
        }
        if wasHandshake { logHandshake("\(failure.reason)", alert: failure.alert, serverName: failure.serverName) }
        failWrites(failure)
        outputClosePromise?.fail(failure)
        outputClosePromise = nil
        startLingering(context)
        context.fireErrorCaught(failure)
    }

    /// A file that was to be sent cannot be read. What follows it would be taken for it, so the connection ends.
    func fileFailed(_ context: ChannelHandlerContext, _ problem: IOError) {
        state = .closing
        closeIsWanted = true
        failWrites(problem)
        outputClosePromise?.fail(problem)
        outputClosePromise = nil
        context.fireErrorCaught(problem)
        closing.abort(context)
    }

    func handshakeTimedOut(_ context: ChannelHandlerContext) {
        guard state == .handshake else { return }
        handshakeFailed(context, .timedOut, level: .info)
        closing.abort(context)
    }

    /// More handshakes came than may be in progress.
    func handshakePassedOver(_ context: ChannelHandlerContext) {
        guard state == .handshake else { return }
        handshakeFailed(context, .passedOver, level: receivedAny ? .info : .debug)
        closing.abort(context)
    }

    /// The client's end came first. One that never said a word was no handshake: port scanners and health checks.
    func handshakeAbandoned(_ context: ChannelHandlerContext) {
        handshakeFailed(context, .abandoned, level: receivedAny ? .info : .debug)
    }

    private func handshakeFailed(_ context: ChannelHandlerContext, _ error: TLSHandshakeError, level: Logger.Level) {
        if state != .closed { state = .closing }
        handshakeEnded()
        closeIsWanted = true
        logHandshake("\(error)", alert: nil, serverName: nil, level: level)
        failWrites(error)
        outputClosePromise?.fail(error)
        outputClosePromise = nil
        context.fireErrorCaught(error)
    }

    private func logHandshake(_ reason: String, alert: TLSAlert?, serverName: String?, level: Logger.Level = .info) {
        logger.log(
            level: level,
            "TLS handshake failed",
            metadata: [
                "peer": "\(connection?.peer.description ?? "unknown")",
                "sni": "\(serverName ?? "none")",
                "alert": "\(alert?.description ?? "none")",
                "reason": "\(reason)",
            ]
        )
    }
}
#endif
