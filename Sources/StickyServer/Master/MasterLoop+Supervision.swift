internal import Logging
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension MasterLoop {
    /// After a drain's deadline workers get this long to notice it themselves.
    private static let killGrace: Duration = .seconds(1)
    /// How long a process may live on after it closed its control socket.
    private static let exitGrace: Duration = .seconds(2)

    // MARK: - Starting

    func superviseSlots(_ now: ContinuousClock.Instant) {
        for slot in slots {
            if slot.state.isDue(now: now) { startWorker(slot, now: now) }
            if slot.state.isOverdue(now: now, bootLimit: configuration.bootLimit), let process = slot.process {
                logger.error(
                    "a worker was not ready within the boot limit and is ended",
                    metadata: ["slot": "\(slot.number)", "pid": "\(process.pid)", "limit": "\(configuration.bootLimit)"])
                process.kill()
                endControl(process)
                lost(process, end: WorkerEnd(code: nil, signal: Int(SIGKILL)))
            }
        }
        if !hasServed, stop == nil { finishBoot() }
    }

    private func startWorker(_ slot: Slot, now: ContinuousClock.Instant) {
        slot.state.started(now: now)
        slot.generation += 1
        do throws(StickyServerError) {
            let spawned = try spawner.spawn(slot: slot.number, slots: slots.count, generation: slot.generation)
            let pid = spawned.pid
            let process = WorkerProcess(
                slot: slot.number, generation: slot.generation, pid: pid, control: spawned.takeControl(),
                messageQueueLimit: configuration.messageQueueLimit, messageLimit: configuration.maximumMessageLength)
            slot.process = process
            slot.isBlocked = false
            processes.append(process)
            logger.debug("worker started", metadata: ["slot": "\(slot.number)", "pid": "\(pid)"])
            publish(.workerCreated(slot: slot.number, generation: slot.generation, pid: Int(pid)))
        } catch {
            logger.error("\(error)")
            react(slot, to: slot.state.ended(WorkerEnd(code: 127, signal: nil), now: now, chance: .random(in: 0..<1)))
        }
    }

    func workerReady(_ process: WorkerProcess) {
        let slot = slots[process.slot]
        let now = clock.now
        guard slot.process === process, slot.state.becameReady(now: now) else { return }
        logger.info(
            "worker ready",
            metadata: ["slot": "\(slot.number)", "pid": "\(process.pid)", "generation": "\(process.generation)"])
        publish(.workerReady(slot: slot.number, generation: process.generation, pid: Int(process.pid)))
        if let diedAt = slot.state.diedAt {
            publish(
                .workerRespawned(
                    slot: slot.number, generation: process.generation, pid: Int(process.pid), after: now - diedAt))
        }
    }

    /// Connections are accepted when every slot is ready or given up for now; until then the backlog holds them.
    private func finishBoot() {
        let ready = slots.count { $0.state.isReady }
        if slots.allSatisfy({ $0.state.isReady || !$0.state.isAlive }), ready > 0 {
            hasServed = true
            publish(.listening(addresses: listeners.map(\.address), workers: slots.count))
            logger.info(
                "listening",
                metadata: ["addresses": "\(listeners.map(\.address.description).joined(separator: " "))"])
        } else if slots.allSatisfy({ !$0.state.isAlive }) {
            let last = lastBootFailure.map { ", the last with \($0)" } ?? ""
            fail(
                StickyServerError(
                    .workersFailedToStart,
                    "every worker ended before it was ready\(last): see its own messages on standard error"))
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
        process.closeControl()
        process.watchExit()
        lost(process, end: WorkerEnd(code: nil, signal: Int(signal)))
    }

    /// The worker drains of its own accord: its slot gets a successor at once, and the process lives until it is done.
    func retire(_ process: WorkerProcess) {
        process.killAt = clock.now + configuration.drainDeadline + Self.killGrace
        lost(process, end: WorkerEnd(code: 0, signal: nil), keepsLedger: true)
    }

    func reap(_ process: WorkerProcess) {
        guard let end = process.reap() else { return }
        if process.control != nil {
            // Its last frames, of which receipts matter: what they name must not be served twice.
            receiveFrames(process)
            process.closeControl()
        }
        processes.removeAll { $0 === process }
        lost(process, end: process.crashSignal.map { WorkerEnd(code: nil, signal: Int($0)) } ?? end)
    }

    /// The slot has lost its process. Only the first word of it counts: crash notice, drain or exit status.
    private func lost(_ process: WorkerProcess, end: WorkerEnd, keepsLedger: Bool = false) {
        let slot = slots[process.slot]
        var returned = process.returned
        if !keepsLedger { returned += takeBack(process) }
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
                slot: slot.number, generation: process.generation, pid: Int(process.pid), end: end, returned: returned,
                failures: slot.state.backoff.failures))
        react(slot, to: reaction)
    }

    private func react(_ slot: Slot, to reaction: SlotState.Reaction) {
        switch reaction {
        case .respawn:
            break
        case .park(let until):
            logger.error(
                "a slot's worker keeps ending before it is ready; the slot rests",
                metadata: ["slot": "\(slot.number)", "failures": "\(slot.state.backoff.failures)"])
            publish(.workerParked(slot: slot.number, failures: slot.state.backoff.failures, until: until))
        case .none:
            let isOver = slots.allSatisfy { if case .stopped = $0.state.phase { true } else { false } }
            if stop == nil, isOver { fail(StickyServerError(.workersGone, "every worker has ended")) }
        }
    }

    /// Puts the sockets that a process has not receipted in front of its slot's queue, in their old order.
    @discardableResult
    private func takeBack(_ process: WorkerProcess) -> Int {
        let slot = slots[process.slot]
        var count = 0
        while let held = process.ledger.takeBack() {
            slot.waiting.prepend(held)
            count += 1
        }
        process.returned += count
        return count
    }

    // MARK: - Stopping

    /// First call: no more connections, and workers drain. Second call: everything ends now.
    func beginStop() {
        guard stop == nil else {
            for process in processes { process.kill() }
            return
        }
        // What the backlog holds has been accepted as far as its clients know.
        if hasServed { for listener in listeners { acceptConnections(listener) } }
        flushSlots()
        for listener in listeners { listener.removeFile() }
        listeners = []
        publish(.stopping)
        let now = clock.now
        stop = StopState(deadline: now + configuration.drainDeadline)
        for slot in slots {
            slot.state.stop()
            while let held = slot.waiting.popFirst() { drop(held, slot: slot.number, reason: .stopping) }
        }
        let milliseconds = configuration.drainDeadline / .milliseconds(1)
        let frame = Frame.number(.drain, UInt32(max(0, min(milliseconds, Double(UInt32.max)))))
        for process in processes {
            process.killAt = min(process.killAt ?? .distantFuture(now), now + configuration.drainDeadline + Self.killGrace)
            guard process.control != nil else { continue }
            process.outbound.append(frame)
            if case .lost = process.flushOutbound() { endControl(process) }
        }
    }

    private func fail(_ error: StickyServerError) {
        failure = error
        beginStop()
    }

    func enforceDeadlines(_ now: ContinuousClock.Instant) {
        for process in processes {
            guard let killAt = process.killAt, now >= killAt else { continue }
            logger.warning(
                "a worker did not end in time and is killed",
                metadata: ["slot": "\(process.slot)", "pid": "\(process.pid)"])
            process.kill()
            // If even SIGKILL does not end it (uninterruptible sleep), this is tried again.
            process.killAt = now + .seconds(5)
        }
        guard stop != nil else { return }
        // Sockets of processes that ended while stopping have nobody left to serve them.
        for slot in slots where slot.process == nil {
            while let held = slot.waiting.popFirst() { drop(held, slot: slot.number, reason: .stopping) }
        }
    }
}

extension ContinuousClock.Instant {
    fileprivate static func distantFuture(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant {
        now + .seconds(1 << 32)
    }
}
