internal import Logging
internal import Synchronization

extension MasterLoop {
    /// Sends a message of a process, 0 for this one, to one worker or all; an error says who did not get it.
    func send(_ envelope: Envelope, from sender: UInt16, pid: Int32) -> StickyServerError? {
        var outgoing = envelope
        outgoing.party = sender
        var isReserved = false
        if envelope.request != 0, [.plain, .publication].contains(envelope.kind) {
            isReserved = reservations.release(.init(pid: pid, request: envelope.request))
            outgoing.request = 0
        }
        switch envelope.party {
        case Envelope.master:
            return StickyServerError(.noSuchSlot, "the master does not send messages to itself")
        case Envelope.everyone:
            var problem: StickyServerError?
            for slot in activeSlots where slot.number != Int(sender) && slot.state.isAlive {
                if let error = send(outgoing, to: slot, isReserved: isReserved) { problem = error }
            }
            return problem
        case let number:
            guard Int(number) < slotTarget else {
                return StickyServerError(
                    .noSuchSlot,
                    "there is no slot \(number): this server has \(slotTarget), counted from 0"
                )
            }
            return send(outgoing, to: slots[Int(number)], isReserved: isReserved)
        }
    }

    /// Room that is kept for others is none.
    private func send(_ envelope: Envelope, to slot: Slot, isReserved: Bool) -> StickyServerError? {
        guard let process = slot.process, process.control != nil else {
            dropped(envelope, to: slot)
            return StickyServerError(.noSuchSlot, "slot \(slot.number) has no worker at the moment")
        }
        let needed = envelope.payload.count + reservations.kept(in: slot.number)
        guard isReserved || process.outbound.hasRoom(for: needed) else {
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
        wipe(shared.updateValue(value, forKey: name))
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
    func deliver(_ envelope: Envelope, from process: WorkerProcess) throws(FrameError) {
        let slot = process.slot
        let owner = MessageReservations.Owner(pid: process.pid, request: envelope.request)
        switch envelope.kind {
        case .reserve:
            guard envelope.payload.count == 4 else { throw .truncated }
            let size = envelope.payload.reversed().reduce(0) { $0 << 8 | Int($1) }
            return reserve(owner, party: envelope.party, size: size)
        case .release:
            return release(owner)
        default:
            break
        }
        guard envelope.party == Envelope.master else {
            let problem = send(envelope, from: UInt16(clamping: slot), pid: process.pid)
            if problem != nil, envelope.kind == .request { refuse(envelope.request, of: slot) }
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
        case .reserve, .release:
            break
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
        _ = send(refusal, from: Envelope.master, pid: 0)
    }
}
