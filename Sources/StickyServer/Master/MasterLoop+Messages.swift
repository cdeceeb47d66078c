internal import Logging

extension MasterLoop {
    /// Sends a message to one worker or all; an error says who did not get it.
    func send(_ payload: [UInt8], from sender: UInt16, to target: MessageTarget) -> StickyServerError? {
        if target == .master {
            return StickyServerError(.noSuchSlot, "the master does not send messages to itself")
        }
        if target == .everyone {
            var problem: StickyServerError?
            for slot in activeSlots where slot.number != Int(sender) && slot.state.isAlive {
                if let error = send(payload, from: sender, toSlot: slot) { problem = error }
            }
            return problem
        }
        guard Int(target.party) < slotTarget else {
            return StickyServerError(
                .noSuchSlot, "there is no slot \(target.party): this server has \(slotTarget), counted from 0")
        }
        return send(payload, from: sender, toSlot: slots[Int(target.party)])
    }

    private func send(_ payload: [UInt8], from sender: UInt16, toSlot slot: Slot) -> StickyServerError? {
        guard let process = slot.process, process.control != nil else {
            dropped(payload, from: sender, to: slot)
            return StickyServerError(.noSuchSlot, "slot \(slot.number) has no worker at the moment")
        }
        guard process.outbound.hasRoom(for: payload.count) else {
            dropped(payload, from: sender, to: slot)
            return StickyServerError(
                .messageQueueFull,
                "the worker of slot \(slot.number) does not keep up: \(configuration.messageQueueLimit) bytes wait for it")
        }
        for frame in MessageFragment.frames(.messageToWorker, party: sender, payload: payload) {
            process.outbound.append(frame)
        }
        if case .lost = process.flushOutbound() { endControl(process) }
        return nil
    }

    private func dropped(_ payload: [UInt8], from sender: UInt16, to slot: Slot) {
        let from = sender == MessageFragment.master ? nil : Int(sender)
        logger.warning(
            "message not delivered",
            metadata: [
                "from": "\(from.map(String.init) ?? "master")", "slot": "\(slot.number)", "bytes": "\(payload.count)",
            ])
        publish(.messageDropped(from: from, to: slot.number, bytes: payload.count))
    }

    /// A worker's message has arrived whole.
    func deliver(_ payload: [UInt8], from slot: Int, to target: MessageTarget) {
        if target == .master {
            events.publish(.workerMessage(slot: slot, payload: payload), to: .messages)
        } else if let error = send(payload, from: UInt16(clamping: slot), to: target) {
            logger.debug("message not passed on", metadata: ["slot": "\(slot)", "error": "\(error)"])
        }
    }
}
