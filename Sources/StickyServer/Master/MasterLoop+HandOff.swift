internal import Logging

extension MasterLoop {
    /// Passes on what waits, as far as the workers take it.
    func flushSlots() {
        for slot in slots where slot.waiting.count > 0 { flush(slot) }
    }

    private func flush(_ slot: Slot) {
        while slot.waiting.count > 0, slot.isConnected, !slot.isBlocked, slot.pausedUntil == nil,
            let process = slot.process
        {
            let most = configuration.limits.unreceiptedPerWorker
            let room = min(most, slot.window.limit ?? most) - process.ledger.count
            guard room > 0 else { return }
            switch sendBatch(of: slot, to: process, atMost: min(room, ControlSocket.maximumDescriptors)) {
            case .done:
                continue
            case .full:
                slot.isBlocked = true
                return
            case .busy:
                slot.pausedUntil = clock.now + slot.window.refused()
                return
            case .lost:
                endControl(process)
                return
            }
        }
    }

    private func sendBatch(of slot: Slot, to process: WorkerProcess, atMost limit: Int) -> ControlSocket.Outcome {
        var descriptors: [CInt] = []
        Frame.begin(.connections, in: &frameWriter)
        while descriptors.count < min(limit, slot.waiting.count) {
            let fits = slot.waiting.withElement(at: descriptors.count) { held in
                let needed = ConnectionEntry.room(forPrelude: held.socket.prelude.count)
                // The first always fits: a prelude has its own limit.
                guard descriptors.isEmpty || frameWriter.bytes.count + needed <= Frame.maximumLength else {
                    return false
                }
                ConnectionEntry(held.socket, tag: held.tag).write(to: &frameWriter)
                descriptors.append(held.socket.descriptor)
                return true
            }
            guard fits == true else { break }
        }
        frameWriter.replace(at: 2, with: UInt16(clamping: descriptors.count))
        Frame.finish(&frameWriter)
        guard let outcome = process.send(frameWriter.bytes, descriptors: descriptors) else { return .lost(errno: 0) }
        guard outcome == .done else { return outcome }
        receiptWatch.progressed()
        nextReceiptLook = nil
        for _ in descriptors {
            guard let held = slot.waiting.popFirst() else { break }
            if events.wants(.connections) {
                events.publish(
                    .connectionRouted(slot: slot.number, reason: held.socket.reason, peer: held.socket.peer),
                    to: .connections
                )
            }
            process.ledger.add(held)
        }
        return .done
    }

    /// The control socket can be written again.
    func unblock(_ process: WorkerProcess) {
        if slots[process.slot].process === process { slots[process.slot].isBlocked = false }
        if case .lost = process.flushOutbound() { endControl(process) }
    }

    // MARK: - Receiving

    /// Reads every frame that a worker has sent. Nonsense ends the worker and nothing else.
    func receiveFrames(_ process: WorkerProcess) {
        while process.control != nil {
            var problem: FrameError?
            let outcome = receiver.receive(from: process.controlNumber) { bytes, connections in
                do throws(FrameError) {
                    try handle(bytes, connections, from: process)
                } catch {
                    problem = error
                }
            }
            if case .tooLong = outcome { problem = .outOfRange }
            if let problem { return broke(process, problem: problem) }
            switch outcome {
            case .frame: continue
            case .frameWithoutDescriptors: logger.error("out of descriptors: a connection that was handed on is lost")
            case .drained: return
            case .tooLong, .lost: endControl(process)
            }
        }
    }

    private func handle(
        _ bytes: UnsafeRawBufferPointer,
        _ connections: consuming NonCopyableQueue<OwnedConnection>?,
        from process: WorkerProcess
    ) throws(FrameError) {
        // What its other threads still send after the crash notice means nothing: its ledger was taken back.
        guard process.crashSignal == nil, var connections = consume connections else { return }
        var (header, payload) = try Frame.parse(bytes)
        let expected = header.kind == .rehome ? 1 : 0
        guard connections.count == expected else {
            throw .wrongDescriptorCount(expected: expected, got: connections.count)
        }
        // A frame may speak of connections whose receipts were counted before it was sent.
        takeReceipts(of: process)
        switch header.kind {
        case .ready:
            workerReady(process)
        case .receipt:
            try receipted(header.count, by: process)
        case .refuse:
            guard header.count <= process.ledger.count else { throw .outOfRange }
            takeRefused(header.count, from: process)
        case .messageToMaster:
            if let message = try process.assembler.add(payload) {
                try deliver(message, from: process)
            }
        case .rehome:
            let slot = Int(try payload.read(UInt16.self))
            let entry = try ConnectionEntry(from: &payload)
            if let connection = connections.popFirst() { rehome(connection, entry, to: slot) }
        case .closed:
            try connectionsEnded(header.count, payload, of: process)
        case .retire:
            retire(process)
        case .crashed:
            crashed(process, signal: CInt(try payload.read(UInt8.self)))
        case .pong:
            process.heartbeat.answered(nonce: try payload.read(UInt32.self))
        case .connections, .messageToWorker, .drain, .ping, .welcome, .tally, .listeners:
            throw .unknownKind(header.kind.rawValue)
        }
    }

    /// The worker owns the oldest `count` sockets that it was sent.
    private func receipted(_ count: Int, by process: WorkerProcess) throws(FrameError) {
        guard process.ledger.receipt(count, { process.open.add($0.tag) }) else { throw .outOfRange }
        heldSockets -= count
        slots[process.slot].window.receipted(count, configured: configuration.limits.unreceiptedPerWorker)
    }

    /// Takes note of the receipts that workers have counted without a word.
    func takeReceipts(_ now: ContinuousClock.Instant) {
        var areOwed = false
        for process in processes where process.ledger.count > 0 && process.tally != nil {
            takeReceipts(of: process)
            if process.ledger.count > 0 { areOwed = true }
        }
        guard areOwed else {
            nextReceiptLook = nil
            return
        }
        if let next = nextReceiptLook, now < next { return }
        nextReceiptLook = now + receiptWatch.next()
    }

    func takeReceipts(of process: WorkerProcess) {
        let count = process.newReceipts
        guard count > 0 else { return }
        process.talliedReceipts &+= count
        receiptWatch.progressed()
        do throws(FrameError) {
            try receipted(Int(clamping: count), by: process)
        } catch {
            isSteady = false
            broke(process, problem: error)
        }
    }

    /// A process that does not keep to the protocol is ended, and nothing else.
    private func broke(_ process: WorkerProcess, problem: FrameError) {
        logger.error(
            "a worker broke the control protocol and is ended",
            metadata: ["slot": "\(process.slot)", "pid": "\(process.pid)", "problem": "\(problem)"]
        )
        process.kill()
        endControl(process)
    }

    /// A worker out of descriptors could not take the oldest sockets that it was sent. They are placed again: with it
    /// later, or elsewhere.
    private func takeRefused(_ count: Int, from process: WorkerProcess) {
        let slot = slots[process.slot]
        // Several frames may have met the same lack; they are one.
        if slot.pausedUntil == nil { slot.pausedUntil = clock.now + slot.window.refused() }
        for _ in 0..<count {
            guard let held = process.ledger.takeOldest() else { return }
            place(held)
        }
    }

    /// A worker has read the first bytes and found that the connection belongs to another slot.
    private func rehome(_ connection: consuming OwnedConnection, _ entry: ConnectionEntry, to slot: Int) {
        heldSockets += 1
        let route = router.route(entry.peer)
        let tag = account.tag(for: route)
        // The end of the connection in the worker before is still to come: for a moment it counts twice.
        account.add(tag)
        let exists = slot < slotTarget
        let socket = PausedSocket(
            connection: connection,
            peer: entry.peer,
            local: entry.local,
            listener: entry.listener,
            reason: .rehomed,
            prelude: entry.prelude,
            hops: entry.hops + 1
        )
        let held = HeldSocket(
            socket,
            route: Route(home: exists ? slot : 0, hash: route.hash, reason: .rehomed),
            arrived: clock.now,
            tag: tag
        )
        if !exists {
            drop(held, slot: slot, reason: .noSuchSlot)
        } else if entry.hops >= 1 {
            drop(held, slot: slot, reason: .tooManyHops)
        } else if account.isFull(slot: countedConnections(of: slots[slot])) {
            drop(held, slot: slot, reason: .workerLimit)
        } else {
            place(held)
        }
    }
}
