#if NIO && os(Linux)
internal import Glibc
internal import Logging
public import NIOCore
internal import StickyTLS
internal import Synchronization

// Ends of all kinds.
extension StickyChannel {
    public func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard phase != .closed else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        switch mode {
        case .output: closeOutput(promise)
        case .input: closeInput(promise)
        case .all:
            if let promise { closePromises.append(promise) }
            guard !closeIsWanted else { return }
            closeIsWanted = true
            guard phase == .open else { return finish() }
            // At the end of this event or turn, so that what handlers still write in it goes out too.
            settleLater()
        }
    }

    private func closeOutput(_ promise: EventLoopPromise<Void>?) {
        guard !outputCloseIsWanted else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        outputCloseIsWanted = true
        outputClosePromise = promise
        queue.markFlushed()
        settleLater()
    }

    /// The client cannot be told, so what it sends is discarded.
    private func closeInput(_ promise: EventLoopPromise<Void>?) {
        guard !inputHasEnded else {
            promise?.fail(ChannelError.inputClosed)
            return
        }
        inputHasEnded = true
        readPending = false
        dropInbound()
        promise?.succeed(())
        activePipeline?.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        if mayRead { readLater() }
        if outputIsClosed { linger() }
    }

    private func dropInbound() {
        if let buffer = inbound { shared.buffers.give(buffer) }
        inbound = nil
    }

    func beginClosingIfWanted() {
        guard closeIsWanted, !closeHasBegun else { return }
        closeHasBegun = true
        queue.markFlushed()
        dropInbound()
    }

    /// After everything that was flushed was tried.
    func stepTowardsEnd() {
        guard phase == .open || phase == .refused, closeHasBegun || outputCloseIsWanted else { return }
        guard unsent == nil || holdsTickets, !queue.hasFlushed else {
            if closeHasBegun, !isLingering { watchProgress() }
            return
        }
        let promise = outputClosePromise
        outputClosePromise = nil
        if closeHasBegun {
            linger()
            promise?.succeed(())
        } else if !outputIsClosed {
            outputIsClosed = true
            if inputHasEnded {
                promise?.succeed(())
                linger()
            } else {
                endOutput()
                promise?.succeed(())
                activePipeline?.fireUserInboundEventTriggered(ChannelEvent.outputClosed)
            }
        }
    }

    private func endOutput() {
        guard !shutdownIsDone else { return }
        shutdownIsDone = true
        _ = Glibc.shutdown(descriptor, CInt(SHUT_WR))
    }

    /// A socket that is closed while bytes of the peer are unread answers with RST, which destroys what the peer has
    /// not read yet. So everything is sent, our direction ended, and the peer's end waited for.
    func linger() {
        guard phase != .closed, !isLingering else { return }
        if unsent != nil, !holdsTickets { return watchProgress() }
        isLingering = true
        closeIsWanted = true
        if socketInputHasEnded || endWasRead { return finish() }
        endOutput()
        set(.linger, setup.limits.linger)
        if mayRead { readLater() }
    }

    // MARK: - Time

    func set(_ purpose: ChannelTimer.Purpose, _ time: TimeAmount) {
        timer.purpose = purpose
        loop.set(timer, at: .now() + time)
    }

    func unset() {
        timer.purpose = .none
        loop.unset(timer)
    }

    private func watchProgress() {
        if case .stall = timer.purpose { return }
        set(.stall(left: bufferedBytes), setup.limits.stall)
    }

    func timeIsUp(_ purpose: ChannelTimer.Purpose) {
        switch purpose {
        case .none: break
        case .handshake:
            guard phase == .handshake else { return }
            handshakeFailed(.timedOut, level: .info)
            finish()
        case .stall(let left):
            if bufferedBytes < left { set(.stall(left: bufferedBytes), setup.limits.stall) } else { finish() }
        case .linger:
            finish()
        }
    }

    // MARK: - The end

    /// Closes the socket now, tells the handlers and keeps every promise.
    func finish() {
        guard phase != .closed else { return }
        let wasActive = isActive
        phase = .closed
        session?.giveUpHandshake()
        closeSocket()
        unset()
        shared.remove(self)
        activity.store(false, ordering: .relaxed)
        writability.store(false, ordering: .relaxed)
        let pipeline = activePipeline
        activePipeline = nil
        dropInbound()
        if let unsent { shared.blocks.give(unsent) }
        unsent = nil
        failWrites(ChannelError.ioOnClosedChannel)
        outputClosePromise?.fail(ChannelError.ioOnClosedChannel)
        outputClosePromise = nil
        let promises = closePromises
        closePromises = []
        for promise in promises { promise.succeed(()) }
        if wasActive {
            pipeline?.fireChannelInactive()
            pipeline?.fireChannelUnregistered()
        }
        guard hasPipeline else {
            lease = nil
            return
        }
        // Later: handlers may be at work in the pipeline at the moment. Without it they and the channel would keep
        // each other for ever.
        loop.add(
            .task { [self] in
                removeHandlers(pipeline: self.pipeline)
                closePromise.succeed(())
                // The worker counts the connection until here.
                lease = nil
            }
        )
    }

    private func closeSocket() {
        if let place { loop.unwatch(place, descriptor) }
        place = nil
        // Whoever passed the socket may still hold its copy, which would keep the connection open.
        if !(shutdownIsDone && (socketInputHasEnded || endWasRead)) {
            _ = Glibc.shutdown(descriptor, CInt(SHUT_RDWR))
        }
        Glibc.close(descriptor)
    }

    func loopEnds() {
        closeIsWanted = true
        finish()
    }
}
#endif
