internal import Logging
internal import Synchronization

extension MasterLoop {
    /// Sends a message to one worker or all; an error says who did not get it.
    func send(_ envelope: Envelope, from sender: UInt16) -> StickyServerError? {
        var outgoing = envelope
        outgoing.party = sender
        switch envelope.party {
        case Envelope.master:
            return StickyServerError(.noSuchSlot, "the master does not send messages to itself")
        case Envelope.everyone:
            var problem: StickyServerError?
            for slot in activeSlots where slot.number != Int(sender) && slot.state.isAlive {
                if let error = send(outgoing, to: slot) { problem = error }
            }
            return problem
        case let number:
            guard Int(number) < slotTarget else {
                return StickyServerError(
                    .noSuchSlot,
                    "there is no slot \(number): this server has \(slotTarget), counted from 0"
                )
            }
            return send(outgoing, to: slots[Int(number)])
        }
    }

    private func send(_ envelope: Envelope, to slot: Slot) -> StickyServerError? {
        guard let process = slot.process, process.control != nil else {
            dropped(envelope, to: slot)
            return StickyServerError(.noSuchSlot, "slot \(slot.number) has no worker at the moment")
        }
        guard process.outbound.hasRoom(for: envelope.payload.count) else {
            dropped(envelope, to: slot)
            return StickyServerError(
                .messageQueueFull,
                "the worker of slot \(slot.number) does not keep up: \(configuration.messageQueueLimit) bytes wait for it"
            )
        }
        for frame in MessageFragment.frames(.messageToWorker, envelope) { process.outbound.append(frame) }
        if case .lost = process.flushOutbound() { endControl(process) }
        return nil
    }

    /// Gives named bytes to every worker, and from now on to each new one.
    func share(_ name: String, _ value: [UInt8]) {
        shared[name] = value
        for process in processes where process.control != nil && process.crashSignal == nil {
            sendShared(name, value, to: process)
            if case .lost = process.flushOutbound() { endControl(process) }
        }
    }

    /// A new process gets everything that is shared, before anything else.
    func sendShared(to process: WorkerProcess) {
        for (name, value) in shared { sendShared(name, value, to: process) }
        process.outbound.append(Frame.plain(.welcome))
    }

    private func sendShared(_ name: String, _ value: [UInt8], to process: WorkerProcess) {
        let envelope = Envelope(
            kind: .shared,
            party: Envelope.master,
            payload: NamedBytes.encode(name, value)
        )
        for frame in MessageFragment.frames(.messageToWorker, envelope) { process.outbound.append(frame) }
    }

    private func dropped(_ envelope: Envelope, to slot: Slot) {
        let from = envelope.party == Envelope.master ? nil : Int(envelope.party)
        let count = envelope.payload.count
        logger.warning(
            "message not delivered",
            metadata: ["from": "\(from.map(String.init) ?? "master")", "slot": "\(slot.number)", "bytes": "\(count)"]
        )
        publish(.messageDropped(from: from, to: slot.number, bytes: count))
    }

    /// A worker's message has arrived whole; its party is the receiver.
    func deliver(_ envelope: Envelope, from slot: Int) {
        guard envelope.party == Envelope.master else {
            if send(envelope, from: UInt16(clamping: slot)) != nil, envelope.kind == .request {
                refuse(envelope.request, of: slot)
            }
            return
        }
        switch envelope.kind {
        case .plain, .publication, .shared:
            events.publish(.workerMessage(slot: slot, payload: envelope.payload), to: .messages)
        case .response:
            mailbox.requests.answer(envelope.request, envelope.payload)
        case .refusal:
            mailbox.requests.refuse(envelope.request)
        case .request:
            answer(envelope, of: slot)
        }
    }

    private func answer(_ envelope: Envelope, of slot: Int) {
        guard let handler = mailbox.requestHandler.withLock({ $0 }) else { return refuse(envelope.request, of: slot) }
        let message = ClusterMessage(sender: slot, payload: envelope.payload)
        Task { [mailbox] in
            let answer = await handler(message)
            let response = Envelope(
                kind: answer == nil ? .refusal : .response,
                request: envelope.request,
                party: UInt16(clamping: slot),
                payload: answer ?? []
            )
            mailbox.post(.send(response, done: { _ in }))
        }
    }

    private func refuse(_ request: UInt32, of slot: Int) {
        let refusal = Envelope(kind: .refusal, request: request, party: UInt16(clamping: slot), payload: [])
        _ = send(refusal, from: Envelope.master)
    }
}
