extension MasterLoop {
    /// A sender wants to wait until its message has room.
    func reserve(_ owner: MessageReservations.Owner, party: UInt16, size: Int) {
        let exists = party == Envelope.everyone || Int(party) < slotTarget
        guard exists, size <= configuration.maximumMessageLength, reservations.add(owner, party: party, size: size)
        else { return answer(owner, .refusal) }
        grantReservations()
    }

    func release(_ owner: MessageReservations.Owner) {
        _ = reservations.release(owner)
        grantReservations()
    }

    /// Called whenever a queue may have got shorter. Costs nothing while nobody waits.
    func grantReservations() {
        guard reservations.isWaiting else { return }
        let owners = reservations.advance { owner, party in
            guard party != Envelope.everyone else {
                let own = processes.first { $0.pid == owner.pid }?.slot
                return activeSlots.filter { $0.number != own && $0.hasControl }.map(\.number)
            }
            // A slot that has no process for the moment will get one, and that one will have room.
            guard Int(party) < slots.count, slots[Int(party)].hasControl else { return nil }
            return [Int(party)]
        } hasRoom: { slot, bytes in
            slots[slot].process?.outbound.hasRoom(for: bytes) ?? false
        }
        for owner in owners { answer(owner, .response) }
    }

    /// This binary's promises mean nothing to the next one. Those who wait ask again.
    func dismissReservations() {
        for owner in reservations.dismiss() { answer(owner, .refusal) }
    }

    private func answer(_ owner: MessageReservations.Owner, _ kind: Envelope.Kind) {
        guard owner.pid != 0 else {
            if kind == .refusal {
                mailbox.requests.refuse(owner.request)
            } else if !mailbox.requests.answer(owner.request, []) {
                _ = reservations.release(owner)
            }
            return
        }
        guard let process = processes.first(where: { $0.pid == owner.pid && $0.controlNumber >= 0 }) else {
            _ = reservations.release(owner)
            return
        }
        let envelope = Envelope(kind: kind, request: owner.request, party: Envelope.master, payload: [])
        for frame in MessageFragment.frames(.messageToWorker, envelope) { process.outbound.append(frame) }
        if case .lost = process.flushOutbound() { endControl(process) }
    }
}
