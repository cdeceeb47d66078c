#if NIO && os(Linux)
internal import CStickyNIO
internal import Glibc
public import NIOCore
internal import StickyTLS
internal import Synchronization

// From the handlers to the socket.
extension StickyChannel {
    /// So much less is copied than kept where it is.
    private static let smallRest = 16_384
    private static let sendFlags = CInt(MSG_NOSIGNAL | MSG_DONTWAIT)
    /// Bursts of one turn.
    private static let mostBursts = 8

    public func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !outputCloseIsWanted else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        guard phase == .open || phase == .preparing, !closeHasBegun else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapData(data, as: IOData.self) {
        case .byteBuffer(let buffer): queue.append(buffer, promise)
        case .fileRegion(let file): queue.append(file, promise)
        }
        if bufferedBytes > waterMark.high { setWritable(false) }
    }

    public func flush0() {
        queue.markFlushed()
        if queue.flushedByteCount >= Self.burst { pump() }
        settleLater()
    }

    var bufferedBytes: Int { queue.byteCount + (unsent?.count ?? 0) }

    private func setWritable(_ isWritable: Bool) {
        guard writability.load(ordering: .relaxed) != isWritable else { return }
        writability.store(isWritable, ordering: .relaxed)
        activePipeline?.fireChannelWritabilityChanged()
    }

    func waterMarkChanged() {
        let count = bufferedBytes
        if count > waterMark.high { setWritable(false) } else if count < waterMark.low { setWritable(true) }
    }

    /// At the end of an event the channel settles by itself; otherwise the loop reminds it when the tasks are done.
    func settleLater() {
        guard !isInEvent, !settlesLater, phase != .closed else { return }
        settlesLater = true
        loop.settleLater(self)
    }

    /// Sends what was flushed and takes the next step of an end.
    func settle() {
        settlesLater = false
        guard phase != .closed else { return }
        beginClosingIfWanted()
        pump()
        stepTowardsEnd()
    }

    // MARK: - Sending

    private var hasOutput: Bool {
        (unsent != nil && !holdsTickets) || (phase == .open && queue.hasFlushed) || wantsGoodbye
    }

    /// close_notify rides with the last bytes.
    private var wantsGoodbye: Bool {
        session != nil && !saidGoodbye && phase == .open && queue.isEmpty && (closeHasBegun || outputCloseIsWanted)
    }

    func pump() {
        guard !isPumping, phase != .closed, phase != .handshake else { return }
        isPumping = true
        var bursts = Self.mostBursts
        while hasOutput, !isBlocked, phase != .closed {
            if bursts == 0 {
                readLater()
                break
            }
            bursts -= 1
            sendBurst()
            if sendError == 0, bufferedBytes < waterMark.low { setWritable(true) }
        }
        isPumping = false
        guard sendError != 0, phase != .closed else { return }
        let code = sendError
        sendError = 0
        fault(code)
    }

    private func sendBurst() {
        holdsTickets = false
        if let old = unsent, old.count > Self.smallRest {
            transmit(old)
            if old.count == 0 { outputSent() }
            return
        }
        let output = shared.output
        output.clear()
        if let old = unsent {
            output.append(old.bytes)
            shared.blocks.give(old)
            unsent = nil
        }
        let failure = fill(output)
        if failure == nil, wantsGoodbye {
            saidGoodbye = true
            let free = output.free
            if let step = session?.close(output: free) { output.end += step.output }
        }
        transmit(output)
        if output.count == 0 {
            output.clear()
            outputSent()
        } else {
            keepUnsent(output)
        }
        if let failure { fail(failure) }
        if let problem = queue.problem, sendError == 0 { sendError = problem.errnoCode }
    }

    /// Everything is with the system: keeps the promises. Calls handlers.
    private func outputSent() {
        if let unsent {
            shared.blocks.give(unsent)
            self.unsent = nil
        }
        guard !promisesInFlight.isEmpty else { return }
        let promises = promisesInFlight
        promisesInFlight = []
        for promise in promises { promise.succeed(()) }
    }

    /// Takes a burst from the queue. Calls no handler.
    private func fill(_ output: OutputBlock) -> TLSFailure? {
        guard phase == .open else { return nil }
        var record = shared.record
        shared.record = ByteBuffer()
        defer { shared.record = record }
        // A rest that fits into one more record costs no system call of its own.
        let all = queue.flushedByteCount
        var left = all <= Self.burst + PlaintextQueue.recordSize ? all : Self.burst
        while let piece = queue.take(left, scratch: &record, promises: &promisesInFlight) {
            left -= piece.readableBytes
            if let failure = piece.withUnsafeReadableBytes({ encrypt($0, output) }) { return failure }
        }
        return nil
    }

    private func encrypt(_ plaintext: UnsafeRawBufferPointer, _ output: OutputBlock) -> TLSFailure? {
        guard session != nil else {
            output.append(plaintext)
            return nil
        }
        var rest = plaintext
        while true {
            let free = output.free
            guard let step = session?.send(rest, output: free) else { return nil }
            output.end += step.output
            rest = UnsafeRawBufferPointer(rebasing: rest[step.consumed...])
            switch step.status {
            case .done, .wantsInput: return nil
            case .failed(let failure): return failure
            default:
                // Cannot be: the block has room for a burst and all that a session says. If it is, the session keeps
                // the rest and gives it with the next call.
                return nil
            }
        }
    }

    /// One system call.
    func transmit(_ block: OutputBlock) {
        guard block.count > 0, !isBlocked else { return }
        let bytes = block.bytes
        var sent = send(descriptor, bytes.baseAddress, bytes.count, Self.sendFlags)
        while sent < 0, errno == EINTR {
            sent = send(descriptor, bytes.baseAddress, bytes.count, Self.sendFlags)
        }
        if sent == bytes.count {
            block.clear()
        } else if sent >= 0 {
            block.start += sent
            waitForRoom()
        } else if errno == EAGAIN {
            waitForRoom()
        } else {
            sendError = errno
            isBlocked = true
        }
    }

    private func waitForRoom() {
        isBlocked = true
        guard !watchesOutput, let place else { return }
        watchesOutput = true
        // Says at once if there is room again.
        let events = STICKY_EPOLL_IN | STICKY_EPOLL_RDHUP | STICKY_EPOLL_OUT | STICKY_EPOLL_EDGE
        loop.rewatch(place, descriptor, events)
    }

    /// Keeps what is left in the loop's output, which others need.
    func keepUnsent(_ output: OutputBlock) {
        guard let old = unsent else {
            if output.count > Self.smallRest {
                unsent = shared.replaceOutput()
            } else {
                let block = shared.blocks.take(output.count)
                block.append(output.bytes)
                unsent = block
                output.clear()
            }
            return
        }
        if old.room < output.count {
            let larger = shared.blocks.take(old.count + output.count)
            larger.append(old.bytes)
            shared.blocks.give(old)
            unsent = larger
        }
        unsent?.append(output.bytes)
        output.clear()
    }

    func failWrites(_ error: any Error) {
        let promises = promisesInFlight + queue.removeAll()
        promisesInFlight = []
        for promise in promises { promise.fail(error) }
    }
}
#endif
