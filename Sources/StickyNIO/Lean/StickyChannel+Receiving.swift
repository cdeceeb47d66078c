#if NIO && os(Linux)
internal import CStickyNIO
internal import Glibc
internal import Logging
internal import NIOCore
internal import NIOTLS
internal import StickyTLS

// From the socket to the handlers.
extension StickyChannel: LoopSource {
    /// Bursts to be thrown away in one turn.
    private static let mostDiscarded = 16

    func ready(_ events: UInt32) {
        guard phase != .closed else { return }
        if events & (STICKY_EPOLL_IN | STICKY_EPOLL_RDHUP | STICKY_EPOLL_HUP | STICKY_EPOLL_ERR) != 0 {
            mayRead = true
            // Once set they stay: both mean that nothing comes after what the system holds.
            if events & (STICKY_EPOLL_RDHUP | STICKY_EPOLL_HUP) != 0 { endIsNear = true }
            if events & STICKY_EPOLL_ERR != 0 { hasFault = true }
        }
        if events & STICKY_EPOLL_OUT != 0 { isBlocked = false }
        if phase == .handshake {
            session?.hearFromClient()
            return readLater()
        }
        isInEvent = true
        if hasFault, !wantsBytes {
            // A handler that holds back would never hear of it.
            fault(pendingError())
        } else {
            readBurst()
        }
        isInEvent = false
        settle()
    }

    func goOn() {
        goesOnLater = false
        guard phase != .closed else { return }
        isInEvent = true
        readBurst()
        isInEvent = false
        settle()
    }

    private var wantsBytes: Bool {
        switch phase {
        case .handshake, .refused: true
        case .open: readPending || discards
        case .preparing, .closed: false
        }
    }

    /// What comes is of no interest, but its end is.
    private var discards: Bool { isLingering || phase == .refused || inputHasEnded }

    /// Reads what there is, within bounds, and tells the handlers.
    func readBurst() {
        guard !isDelivering else { return }
        isDelivering = true
        deliverWaiting()
        var left = discards ? Self.mostDiscarded : messagesPerRead
        var isInBurst = wantsBytes
        while mayRead, isInBurst, left > 0, phase != .closed, !socketInputHasEnded {
            left -= 1
            readOnce()
            isInBurst = wantsBytes || hasDelivered && !closeIsWanted && phase == .open
        }
        finishRead()
        if endWasRead { endOfInput() }
        isDelivering = false
        if phase != .closed, !socketInputHasEnded, mayRead && wantsBytes || readPending && inbound != nil {
            readLater()
        } else if phase == .handshake {
            session?.waitForClient(self)
        }
    }

    private func readOnce() {
        var capacity = LoopResources.inputSize
        if session == nil, let buffer = receiveAllocator?.buffer(allocator: byteBufferAllocator) {
            capacity = max(1, min(capacity, buffer.writableBytes))
        }
        let count = recv(descriptor, shared.input.baseAddress, capacity, CInt(MSG_DONTWAIT))
        if count > 0 {
            // Less than there is room for: that was all, and the next edge announces more. Not so after an error, which
            // only a further call tells.
            if count < capacity, !hasFault {
                mayRead = false
                if endIsNear { endWasRead = true }
            }
            _ = receiveAllocator?.record(actualReadBytes: count)
            take(UnsafeRawBufferPointer(rebasing: shared.input[..<count]))
        } else if count == 0 {
            mayRead = false
            endWasRead = true
        } else if errno == EAGAIN {
            mayRead = false
        } else if errno != EINTR {
            mayRead = false
            fault(errno)
        }
    }

    func readLater() {
        guard !goesOnLater else { return }
        goesOnLater = true
        if phase == .handshake { loop.shakeHandsLater(self) } else { loop.goOnLater(self) }
    }

    // MARK: - Bytes

    /// Takes bytes of the client, which lie in memory that is only ours until a handler is called.
    func take(_ bytes: UnsafeRawBufferPointer) {
        receivedAny = true
        guard !discards else { return }
        if session != nil { return decrypt(bytes) }
        appendInbound(bytes)
        deliver()
    }

    private func appendInbound(_ bytes: UnsafeRawBufferPointer) {
        var buffer = inbound ?? shared.buffers.take(bytes.count)
        inbound = nil
        buffer.writeBytes(bytes)
        inbound = buffer
    }

    /// Gives plaintext to the handlers, if they want it.
    func deliver() {
        guard phase == .open, readPending || hasDelivered, let buffer = inbound else { return }
        inbound = nil
        readPending = false
        guard !closeIsWanted else { return shared.buffers.give(buffer) }
        hasDelivered = true
        activePipeline?.fireChannelRead(NIOAny(buffer))
        shared.buffers.give(buffer)
    }

    private func deliverWaiting() {
        if inbound != nil, readPending { deliver() }
        noticeCloseNotify()
    }

    private func finishRead() {
        guard hasDelivered else { return }
        hasDelivered = false
        guard phase == .open else { return }
        activePipeline?.fireChannelReadComplete()
        readIfWanted()
    }

    func readIfWanted() {
        if autoRead, !readPending, !inputHasEnded, phase == .open { activePipeline?.read() }
    }

    public func read0() {
        guard phase == .open, !inputHasEnded else { return }
        readPending = true
        if !isDelivering, mayRead || inbound != nil { readLater() }
    }

    // MARK: - Ends

    /// The client's TCP stream has ended, and all before was taken.
    private func endOfInput() {
        guard !socketInputHasEnded, phase != .closed else { return }
        // Handlers that hold back get what they have not seen before its end.
        if inbound != nil, phase == .open, !discards { return }
        if phase == .preparing { return }
        socketInputHasEnded = true
        if isLingering {
            finish()
        } else if phase == .handshake {
            handshakeFailed(.abandoned, level: receivedAny ? .info : .debug)
            finish()
        } else if inputHasEnded {
            // After the client's close_notify. If ours is out too, nobody has anything to say any more.
            if outputIsClosed { finish() }
        } else {
            inputHasEnded = true
            if session != nil {
                _ = session?.endOfInput()
                activePipeline?.fireErrorCaught(TLSTruncatedError())
            }
            directionEnded()
        }
    }

    /// The client's close_notify, when all before it was delivered.
    func noticeCloseNotify() {
        guard closeNotifyWaits, phase == .open, inbound == nil else { return }
        closeNotifyWaits = false
        guard !inputHasEnded else { return }
        inputHasEnded = true
        activePipeline?.fireUserInboundEventTriggered(TLSUserEvent.shutdownCompleted)
        directionEnded()
    }

    private func directionEnded() {
        guard phase == .open, !isLingering else { return }
        readPending = false
        if allowsHalfClosure { activePipeline?.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        if outputIsClosed {
            linger()
        } else if !allowsHalfClosure {
            pipeline.close(promise: nil)
        }
    }

    private func pendingError() -> CInt {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &length)
        return value == 0 ? ECONNRESET : value
    }

    /// The connection is broken.
    func fault(_ code: CInt) {
        guard phase != .closed else { return }
        if phase == .handshake {
            handshakeFailed(.abandoned, level: receivedAny ? .info : .debug)
        } else if phase == .open, !isLingering, !closeIsWanted {
            let wasUnexpected = !inputHasEnded && session != nil
            activePipeline?.fireErrorCaught(IOError(errnoCode: code, reason: "read"))
            if wasUnexpected, phase == .open { activePipeline?.fireErrorCaught(TLSTruncatedError()) }
        }
        finish()
    }
}
#endif
