internal import Logging

extension MasterLoop {
    /// The slots that the server is meant to have. A slot beyond them keeps its number for later and gets nobody.
    var activeSlots: ArraySlice<Slot> { slots.prefix(slotTarget) }

    /// More or fewer slots. Clients of slots that stay do not move; a new slot gets its share when it is ready.
    func scale(to count: Int) {
        let count = min(max(count, 1), Configuration.mostWorkers)
        guard stop == nil, hasServed, count != slotTarget else { return }
        if let steering {
            do throws(StickyServerError) {
                try Configuration.checkSteered(slots: count)
                try steering.grow(to: count)
            } catch {
                logger.error("cannot scale: \(error)")
                return
            }
        }
        logger.notice("scaling", metadata: ["from": "\(slotTarget)", "to": "\(count)"])
        if count > slotTarget { addSlots(upTo: count) } else { removeSlots(downTo: count) }
        publish(.scaled(workers: count))
    }

    private func addSlots(upTo count: Int) {
        let now = clock.now
        for number in slotTarget..<count {
            let state = SlotState(respawn: configuration.respawn, backoff: configuration.backoff, now: now)
            if number < slots.count {
                slots[number].state = state
            } else {
                slots.append(Slot(number: number, state: state))
            }
        }
        slotTarget = count
    }

    private func removeSlots(downTo count: Int) {
        let removed = slots[count..<slotTarget]
        slotTarget = count
        router.resize(to: min(router.slots, count))
        for slot in removed {
            slot.state.remove()
            for process in [slot.process, slot.successor?.process].compactMap({ $0 }) {
                process.isRetired = true
                startDrain(process, hasSuccessor: true)
            }
            slot.process = nil
            slot.successor = nil
            slot.isBlocked = false
            rehouseWaiting(of: slot)
        }
        if let current = reload.current, current >= count { advance(reload.succeeded(slot: current, counts: false)) }
    }

    /// What waits for a slot that is gone belongs to another one now.
    func rehouseWaiting(of slot: Slot) {
        for _ in 0..<slot.waiting.count {
            guard let held = slot.waiting.popFirst() else { return }
            let home = router.choice(for: held.route.hash) { _ in true } ?? 0
            place(held.with(home: home))
        }
    }

    /// A slot takes part in the routing from its first readiness on. Numbers stay without gaps.
    func growRouting() {
        var count = router.slots
        while count < slotTarget, slots[count].state.isReady { count += 1 }
        if count > router.slots { router.resize(to: count) }
    }
}
