#if NIO
public import NIOCore
internal import StickyTLS

// Plaintext of the application to ciphertext for the channel.
extension OpenSSLServerHandler {
    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !outputCloseIsWanted else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        guard state == .handshake || state == .open, !closeHasBegun else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .byteBuffer(let buffer): queue.append(buffer, promise)
        case .fileRegion(let file): queue.append(file, promise)
        }
    }

    public func flush(context: ChannelHandlerContext) {
        queue.markFlushed()
        encrypt(context)
    }

    /// Encrypts what was flushed for as long as the channel takes it. Calls that come from inside, by way of the
    /// handlers that hear of the channel's writability, leave the work to the loop that is running.
    func encrypt(_ context: ChannelHandlerContext) {
        guard !isEncrypting, state == .open else { return }
        isEncrypting = true
        while queue.hasFlushed, context.channel.isWritable, state == .open {
            guard encryptBurst(context) else { break }
        }
        isEncrypting = false
        if !isDecrypting { flushStaged(context) }
        if queue.isEmpty { outputDrained(context) }
    }

    /// Sends what the session has to say by itself.
    func flushStaged(_ context: ChannelHandlerContext) {
        guard let output = staged, output.readableBytes > 0 else { return }
        staged = nil
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        buffers.give(output)
    }

    /// One write to the channel: many small writes become few records, long ones whole records.
    private func encryptBurst(_ context: ChannelHandlerContext) -> Bool {
        let count = min(queue.flushedByteCount, Self.burst)
        let capacity = TLSSession.outputCapacity(forPlaintext: count) + (staged?.readableBytes ?? 0)
        var output = takeStaged(capacity)
        var scratch = buffers.take(min(count, PlaintextQueue.recordSize))
        var promises: [EventLoopPromise<Void>] = []
        var left = Self.burst
        var failure: TLSFailure?
        while failure == nil, let piece = queue.take(left, scratch: &scratch, promises: &promises) {
            left -= piece.readableBytes
            failure = send(piece, &output)
        }
        buffers.give(scratch)
        if let problem = queue.problem {
            for promise in promises { promise.fail(problem) }
            fileFailed(context, problem)
            return false
        }
        if let failure {
            for promise in promises { promise.fail(failure) }
            if output.readableBytes > 0 { staged = output }
            fail(context, failure)
            return false
        }
        context.writeAndFlush(wrapOutboundOut(output), promise: join(promises))
        buffers.give(output)
        return true
    }

    private func takeStaged(_ capacity: Int) -> ByteBuffer {
        guard let old = staged else { return buffers.take(capacity) }
        staged = nil
        var buffer = buffers.take(capacity)
        buffer.writeImmutableBuffer(old)
        buffers.give(old)
        return buffer
    }

    private func send(_ plaintext: ByteBuffer, _ output: inout ByteBuffer) -> TLSFailure? {
        var plaintext = plaintext
        var isSent = false
        while !isSent {
            let step = plaintext.withUnsafeReadableBytes { plaintext in
                output.withUnsafeMutableWritableBytes { output in session.send(plaintext, output: output) }
            }
            plaintext.moveReaderIndex(forwardBy: step.consumed)
            output.moveWriterIndex(forwardBy: step.output)
            switch step.status {
            case .done: isSent = true
            case .failed(let failure): return failure
            default:
                // What an earlier call of the session left took the room.
                output.reserveCapacity(
                    minimumWritableBytes: TLSSession.outputCapacity(forPlaintext: plaintext.readableBytes) + 16_384
                )
            }
        }
        return nil
    }

    /// One promise for a write that holds the last bytes of several.
    private func join(_ promises: [EventLoopPromise<Void>]) -> EventLoopPromise<Void>? {
        guard let first = promises.first else { return nil }
        for promise in promises.dropFirst() { first.futureResult.cascade(to: promise) }
        return first
    }
}
#endif
