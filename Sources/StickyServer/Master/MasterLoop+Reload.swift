internal import Logging

extension MasterLoop {
    /// Slot by slot a new process becomes ready before the old one drains.
    func beginReload() {
        guard stop == nil, hasServed else { return }
        if !reload.isRunning { serviceManager.notifyReloading() }
        publish(.reloadStarted(slots: slotTarget))
        advance(reload.begin(slots: activeSlots.map(\.number)))
    }

    func advance(_ action: RollingReload.Action) {
        var action = action
        while true {
            switch action {
            case .none:
                return
            case .start(let number):
                if startSuccessor(slots[number]) { return }
                // A slot without a process gets a new one anyway.
                action = reload.succeeded(slot: number, counts: false)
            case .finished(let replaced):
                logger.notice("reload finished", metadata: ["replaced": "\(replaced)"])
                publish(.reloadFinished(replaced: replaced))
                serviceManager.notify("READY=1", "STATUS=reloaded, \(slotTarget) workers serve")
                if reload.takeRequest() { beginReload() }
                return
            case .aborted(let slot):
                serviceManager.notify("READY=1", "STATUS=reload aborted, the old workers serve")
                logger.error("reload aborted", metadata: ["slot": "\(slot)"])
                return
            }
        }
    }

    /// False when the slot has no process to succeed, or has a successor already.
    @discardableResult
    func startSuccessor(_ slot: Slot) -> Bool {
        guard slot.process != nil, slot.successor == nil else { return false }
        let now = clock.now
        do throws(StickyServerError) {
            slot.successor = Slot.Successor(process: try spawnProcess(slot, now: now), since: now)
        } catch {
            abortReload(slot, reason: error.message)
        }
        return true
    }

    /// The successor is ready: it serves from now on, and the process before it drains.
    func takeOver(_ slot: Slot, _ successor: WorkerProcess) {
        slot.successor = nil
        let previous = slot.process
        slot.process = successor
        slot.isBlocked = false
        slot.state.replaced(now: clock.now)
        publish(.workerReady(slot: slot.number, generation: successor.generation, pid: Int(successor.pid)))
        publish(.workerReplaced(slot: slot.number, generation: successor.generation, pid: Int(successor.pid)))
        logger.info("worker replaced", metadata: ["slot": "\(slot.number)", "pid": "\(successor.pid)"])
        if let previous { startDrain(previous, hasSuccessor: true) }
        limitGenerations(slot)
        upgradeProbeReady(in: slot.number)
        advance(reload.succeeded(slot: slot.number))
    }

    /// The successor ended, or took too long. The process before it stays.
    func successorFailed(_ slot: Slot, _ end: WorkerEnd) {
        slot.successor = nil
        let reason = "the new worker ended before it was ready: \(end)"
        upgradeProbeFailed(in: slot.number, reason: reason)
        abortReload(slot, reason: reason)
    }

    private func abortReload(_ slot: Slot, reason: String) {
        logger.error(
            "a worker could not be replaced; it serves on",
            metadata: ["slot": "\(slot.number)", "reason": "\(reason)"]
        )
        publish(.replacementFailed(slot: slot.number, reason: reason))
        if reload.current == slot.number { publish(.reloadAborted(slot: slot.number, reason: reason)) }
        advance(reload.failed(slot: slot.number))
    }

    /// Long connections must not pile up generations without end: the oldest beyond the limit goes.
    private func limitGenerations(_ slot: Slot) {
        let draining = processes.filter { $0.slot == slot.number && $0.isDraining && $0.crashSignal == nil }
        for process in draining.dropLast(configuration.maximumDrainingGenerations) {
            logger.warning(
                "too many draining generations: the oldest is killed",
                metadata: ["slot": "\(slot.number)", "pid": "\(process.pid)"]
            )
            process.kill()
        }
    }

    /// Tells a process to finish what it has.
    func startDrain(_ process: WorkerProcess, hasSuccessor: Bool) {
        if let deadline = configuration.drainDeadline {
            let limit = clock.now + deadline + Self.killGrace
            process.killAt = process.killAt.map { min($0, limit) } ?? limit
        }
        process.isDraining = true
        guard process.control != nil else { return }
        // The server's end frees everybody at once: there is no successor to be spared.
        let spread = hasSuccessor ? configuration.drainSpread : .zero
        let order = DrainOrder(within: configuration.drainDeadline, spread: spread)
        process.outbound.append(Frame.drain(order, hasSuccessor: hasSuccessor))
        if case .lost = process.flushOutbound() { endControl(process) }
    }
}
