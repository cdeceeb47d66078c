#if NIO && os(Linux)
internal import Glibc
internal import Logging
internal import NIOCore
internal import NIOTLS
internal import StickyTLS
internal import Synchronization

extension StickyChannel: TLSHandshakeOwner {
    package func handshakeIsPassedOver() {
        // Later: on its own loop, and not within the turn of the one that it makes room for.
        loop.execute { self.passOver() }
    }
}

// The session's side of receiving, and the beginning of the pipeline.
extension StickyChannel {
    private enum News {
        case none
        case closed
        case failed(TLSFailure)
    }

    /// Decrypts all of `bytes` before any handler is called: they lie in memory that all connections of the loop use.
    func decrypt(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        var isEstablished = phase != .handshake
        if !isEstablished { loop.didShakeHands() }
        var plaintext = isEstablished ? shared.buffers.take(plaintextRoom(rest.count)) : ByteBuffer()
        var news = News.none
        undecrypted += rest.count
        stepping: while true {
            let output = shared.output
            output.clear()
            let free = output.free
            guard
                let step = plaintext.withUnsafeMutableWritableBytes({ plaintext in
                    session?.receive(rest, plaintext: plaintext, output: free)
                })
            else { return }
            rest = UnsafeRawBufferPointer(rebasing: rest[step.consumed...])
            plaintext.moveWriterIndex(forwardBy: step.plaintext)
            if step.plaintext > 0 { undecrypted = rest.count }
            output.end = step.output
            if case .handshakeCompleted = step.status { isEstablished = true }
            if step.output > 0 { keepOutput(flush: !isEstablished) }
            switch step.status {
            case .handshakeCompleted:
                undecrypted = rest.count
                plaintext = shared.buffers.take(plaintextRoom(rest.count))
            case .plaintextFull:
                plaintext.reserveCapacity(minimumWritableBytes: PlaintextQueue.recordSize)
            case .outputFull: break
            case .peerClosed:
                news = .closed
                break stepping
            case .failed(let failure):
                news = .failed(failure)
                break stepping
            default: break stepping
            }
        }
        let hasRequest = plaintext.readableBytes > 0
        hold(plaintext)
        if isEstablished, phase == .handshake {
            applicationProtocol = session?.applicationProtocol
            // Before TLS 1.3 the last of the handshake is among it.
            holdsTickets = unsent != nil && !isBlocked && session?.version == .v1_3
            if holdsTickets, !hasRequest { acknowledge() }
            prepare()
        }
        deliver()
        switch news {
        case .none: break
        case .closed: closeNotifyWaits = true
        case .failed(let failure): fail(failure, rest: rest)
        }
        noticeCloseNotify()
    }

    /// Nothing is sent until the request comes, and a client with Nagle's algorithm (RFC 896) does not send that before
    /// the last of its handshake is acknowledged: by itself the system would take 40 ms for it (tcp(7), TCP_QUICKACK).
    private func acknowledge() {
        var on: CInt = 1
        _ = setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_QUICKACK, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    private func plaintextRoom(_ count: Int) -> Int {
        max(1024, min(undecrypted + count, LoopResources.inputSize))
    }

    private func hold(_ plaintext: consuming ByteBuffer) {
        guard plaintext.readableBytes > 0, !closeIsWanted else { return shared.buffers.give(plaintext) }
        if inbound == nil {
            inbound = plaintext
        } else {
            inbound?.writeBuffer(&plaintext)
        }
    }

    /// What the session itself has to say waits for the next answer, unless the client waits for it.
    private func keepOutput(flush: Bool) {
        holdsTickets = false
        let output = shared.output
        if flush, unsent == nil {
            transmit(output)
            if output.count == 0 { return output.clear() }
        }
        keepUnsent(output)
    }

    // MARK: - The pipeline

    /// Makes the pipeline and has it filled. Handlers are active when the initializer is done.
    func prepare() {
        phase = .preparing
        if timer.isSet { unset() }
        let future = setup.initializer(self, connection)
        future.hop(to: loop).whenComplete { result in
            switch result {
            case .success: self.activate()
            case .failure(let error): self.dropUnprepared(error)
            }
        }
    }

    private func activate() {
        guard phase == .preparing else { return }
        phase = .open
        let pipeline = pipeline.syncOperations
        activePipeline = pipeline
        activity.store(true, ordering: .relaxed)
        pipeline.fireChannelRegistered()
        if phase == .open { pipeline.fireChannelActive() }
        if phase == .open, let event = shared.drainEvent { pipeline.fireUserInboundEventTriggered(event) }
        if phase == .open, session != nil {
            let event = TLSUserEvent.handshakeCompleted(negotiatedProtocol: applicationProtocol)
            pipeline.fireUserInboundEventTriggered(event)
        }
        readIfWanted()
        // An initializer that took its time: what came meanwhile waits.
        if !isDelivering { readLater() }
        if !isInEvent { settleLater() }
    }

    private func dropUnprepared(_ error: any Error) {
        guard phase == .preparing else { return }
        setup.logger.error(
            "a connection was dropped: its channel could not be set up",
            metadata: ["peer": "\(connection.peer)", "error": "\(error)"]
        )
        finish()
    }

    /// The worker stops.
    func heard(_ event: StickyDrainEvent) {
        activePipeline?.fireUserInboundEventTriggered(event)
    }

    // MARK: - Failures

    /// TLS says no. What the session left in the output is its alert; `rest` is what it did not look at.
    func fail(_ failure: TLSFailure, rest: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
        guard phase != .closed, phase != .refused, !isLingering else { return }
        let wasHandshake = phase == .handshake
        closeIsWanted = true
        closeHasBegun = true
        saidGoodbye = true
        if wasHandshake {
            phase = .refused
            if failure.kind == .plainHTTP { answerPlainHTTP(failure.head + rest) }
            logHandshake(failure.reason, alert: failure.alert, serverName: failure.serverName, level: .info)
        } else {
            failWrites(failure)
        }
        settleLater()
        activePipeline?.fireErrorCaught(failure)
    }

    fileprivate func passOver() {
        guard phase == .handshake else { return }
        handshakeFailed(.passedOver, level: receivedAny ? .info : .debug)
        finish()
    }

    func handshakeFailed(_ error: TLSHandshakeError, level: Logger.Level) {
        logHandshake("\(error)", alert: nil, serverName: session?.serverName, level: level)
    }

    private func answerPlainHTTP(_ request: [UInt8]) {
        if let unsent { shared.blocks.give(unsent) }
        unsent = nil
        guard let answer = setup.tls?.answerToPlainHTTP(request) else { return }
        let block = shared.blocks.take(answer.count)
        answer.withUnsafeBytes { block.append($0) }
        unsent = block
    }

    private func logHandshake(_ reason: String, alert: TLSAlert?, serverName: String?, level: Logger.Level) {
        setup.logger.log(
            level: level,
            "TLS handshake failed",
            metadata: [
                "peer": "\(connection.peer)",
                "sni": "\(serverName ?? "none")",
                "alert": "\(alert?.description ?? "none")",
                "reason": "\(reason)",
            ]
        )
    }
}
#endif
