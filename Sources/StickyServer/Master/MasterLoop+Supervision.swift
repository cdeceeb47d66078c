internal import Logging

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension MasterLoop {
    /// How long a process may live on after it closed its control socket.
    private static let exitGrace: Duration = .seconds(2)

    // MARK: - Starting

    func superviseSlots(_ now: ContinuousClock.Instant) {
        for slot in slots {
            if slot.state.isDue(now: now) { startWorker(slot, now: now) }
            if slot.state.isOverdue(now: now, bootLimit: configuration.bootLimit), let process = slot.process {
                endOverdue(process)
            }
            if let successor = slot.successor, now >= successor.since + configuration.bootLimit {
                endOverdue(successor.process)
            }
        }
        if !hasServed, stop == nil { finishBoot() }
    }

    private func endOverdue(_ process: WorkerProcess) {
        logger.error(
            "a worker was not ready within the boot limit and is ended",
            metadata: ["slot": "\(process.slot)", "pid": "\(process.pid)", "limit": "\(configuration.bootLimit)"]
        )
        process.kill()
        endControl(process)
        lost(process, end: WorkerEnd(code: nil, signal: Int(SIGKILL)))
    }

    private func startWorker(_ slot: Slot, now: ContinuousClock.Instant) {
        slot.state.started(now: now)
        do throws(StickyServerError) {
            slot.process = try spawnProcess(slot, now: now)
            slot.isBlocked = false
        } catch {
            logger.error("\(error)")
            react(slot, to: slot.state.ended(WorkerEnd(code: 127, signal: nil), now: now, chance: .random(in: 0..<1)))
        }
    }

    /// Starts a process of this executable, or of the one at `path`.
    func spawnProcess(
        _ slot: Slot,
        now: ContinuousClock.Instant,
        path: String? = nil
    ) throws(StickyServerError) -> WorkerProcess {
        slot.generation += 1
        let spawned = try spawner.spawn(
            slot: slot.number,
            slots: slotTarget,
            generation: slot.generation,
            policy: scheduling.workerPolicy,
            path: path
        )
        let process = WorkerProcess(
            slot: slot.number,
            generation: slot.generation,
            pid: spawned.pid,
            control: spawned.takeControl(),
            configuration: configuration,
            now: now
        )
        process.shareTally()
        processes.append(process)
        sendShared(to: process)
        logger.debug("worker started", metadata: ["slot": "\(slot.number)", "pid": "\(process.pid)"])
        publish(.workerCreated(slot: slot.number, generation: slot.generation, pid: Int(process.pid)))
        return process
    }

    func workerReady(_ process: WorkerProcess) {
        let slot = slots[process.slot]
        let now = clock.now
        if slot.successor?.process === process { return takeOver(slot, process) }
        guard slot.process === process, slot.state.becameReady(now: now) else { return }
        logger.info(
            "worker ready",
            metadata: ["slot": "\(slot.number)", "pid": "\(process.pid)", "generation": "\(process.generation)"]
        )
        publish(.workerReady(slot: slot.number, generation: process.generation, pid: Int(process.pid)))
        growRouting()
        if let diedAt = slot.state.diedAt {
            publish(
                .workerRespawned(
                    slot: slot.number,
                    generation: process.generation,
                    pid: Int(process.pid),
                    after: now - diedAt
                )
            )
        }
    }

    /// Connections are accepted when every slot is ready or given up for now; until then the backlog holds them.
    private func finishBoot() {
        let ready = activeSlots.count { $0.state.isReady }
        if activeSlots.allSatisfy({ $0.state.isReady || !$0.state.isAlive }), ready > 0 {
            hasServed = true
            serviceManager.notify("READY=1", "STATUS=\(ready) of \(slotTarget) workers serve")
            publish(.listening(addresses: listeners.map(\.address), workers: slotTarget))
            logger.info(
                "listening",
                metadata: ["addresses": "\(listeners.map(\.address.description).joined(separator: " "))"]
            )
        } else if activeSlots.allSatisfy({ !$0.state.isAlive }) {
            let last = lastBootFailure.map { ", the last with \($0)" } ?? ""
            fail(
                StickyServerError(
                    .workersFailedToStart,
                    "every worker ended before it was ready\(last): see its own messages on standard error"
                )
            )
        }
    }

    // MARK: - Ending

    /// The control socket is over: the process has ended, or must. What it had not receipted goes to a successor.
    func endControl(_ process: WorkerProcess) {
        guard process.control != nil else { return }
        process.closeControl()
        process.watchExit()
        if process.killAt == nil { process.killAt = clock.now + Self.exitGrace }
        takeBack(process)
        reap(process)
    }

    /// The crash notice: the process serves nobody any more, but may write its backtrace for a while.
    func crashed(_ process: WorkerProcess, signal: CInt) {
        process.crashSignal = signal
        process.killAt = clock.now + configuration.crashReportLimit
        lost(process, end: WorkerEnd(code: nil, signal: Int(signal)))
    }

    /// The worker asks to be replaced. It serves on until its successor is ready; without one its slot ends.
    func retire(_ process: WorkerProcess) {
        let slot = slots[process.slot]
        guard slot.process === process, !process.isDraining, stop == nil else { return }
        if configuration.respawn == .always {
            if slot.successor == nil { startSuccessor(slot) }
        } else {
            startDrain(process, hasSuccessor: false)
        }
    }

    /// The worker hangs and will be killed: its slot does not wait for that.
    func abandon(_ process: WorkerProcess) {
        lost(process, end: WorkerEnd(code: nil, signal: Int(SIGABRT)), keepsLedger: true)
    }

    func reap(_ process: WorkerProcess) {
        guard let end = process.reap() else { return }
        if process.control != nil {
            // Its last frames, of which receipts matter: what they name must not be served twice.
            receiveFrames(process)
            process.closeControl()
        }
        guard let index = processes.firstIndex(where: { $0 === process }) else { return }
        processes.remove(at: index)
        reservations.forget(pid: process.pid)
        let slot = slots[process.slot]
        if slot.process !== process, slot.successor?.process !== process {
            logger.debug("a former worker ended", metadata: ["pid": "\(process.pid)", "end": "\(end)"])
            publish(
                .workerExited(slot: slot.number, generation: process.generation, pid: Int(process.pid), end: end)
            )
        }
        lost(process, end: process.crashSignal.map { WorkerEnd(code: nil, signal: Int($0)) } ?? end)
    }

    /// The slot has lost its process. Only the first word of it counts: crash notice, drain or exit status.
    private func lost(_ process: WorkerProcess, end: WorkerEnd, keepsLedger: Bool = false) {
        let slot = slots[process.slot]
        var returned = process.returned
        if !keepsLedger { returned += takeBack(process) }
        if slot.successor?.process === process { return successorFailed(slot, end) }
        guard slot.process === process, !process.isRetired else { return }
        process.isRetired = true
        slot.process = nil
        slot.isBlocked = false
        let now = clock.now
        let wasReady = slot.state.isReady
        let reaction = slot.state.ended(end, now: now, chance: .random(in: 0..<1))
        if !wasReady { lastBootFailure = end }
        let metadata: Logger.Metadata = [
            "slot": "\(slot.number)", "pid": "\(process.pid)", "end": "\(end)", "returned": "\(returned)",
        ]
        logger.log(level: end.isClean ? .info : .error, "worker ended", metadata: metadata)
        publish(
            .workerDied(
                slot: slot.number,
                generation: process.generation,
                pid: Int(process.pid),
                end: end,
                returned: returned,
                failures: slot.state.backoff.failures
            )
        )
        promoteSuccessor(slot, now: now)
        react(slot, to: reaction)
    }

    /// A slot that loses its process while a successor is starting goes on with that one.
    private func promoteSuccessor(_ slot: Slot, now: ContinuousClock.Instant) {
        guard let successor = slot.successor else { return }
        slot.successor = nil
        slot.process = successor.process
        slot.state.continued(since: successor.since)
        advance(reload.succeeded(slot: slot.number, counts: false))
    }

    private func react(_ slot: Slot, to reaction: SlotState.Reaction) {
        switch reaction {
        case .respawn:
            break
        case .park(let until):
            logger.error(
                "a slot's worker keeps ending before it is ready; the slot rests",
                metadata: ["slot": "\(slot.number)", "failures": "\(slot.state.backoff.failures)"]
            )
            publish(.workerParked(slot: slot.number, failures: slot.state.backoff.failures, until: until))
        case .none:
            let isOver = activeSlots.allSatisfy { if case .stopped = $0.state.phase { true } else { false } }
            if stop == nil, isOver { fail(StickyServerError(.workersGone, "every worker has ended")) }
        }
    }

    /// For a process that serves nobody any more: puts the sockets that it has not receipted in front of its slot's
    /// queue, in their old order.
    @discardableResult
    private func takeBack(_ process: WorkerProcess) -> Int {
        // What it has receipted was its own, and ended with it.
        takeReceipts(of: process)
        forgetConnections(of: process)
        let slot = slots[process.slot]
        var count = 0
        while let held = process.ledger.takeBack() {
            slot.waiting.prepend(held)
            count += 1
        }
        if slot.number >= slotTarget, stop == nil { rehouseWaiting(of: slot) }
        process.returned += count
        return count
    }
}
