internal import Logging

extension MasterLoop {
    /// Asks every worker that serves whether it still turns.
    func checkHealth(_ now: ContinuousClock.Instant) {
        for slot in slots {
            guard slot.isConnected, let process = slot.process else { continue }
            switch process.heartbeat.tick(now: now) {
            case .none: break
            case .ping(let nonce):
                process.outbound.append(Frame.number(.ping, nonce))
                if case .lost = process.flushOutbound() { endControl(process) }
            case .hung:
                replaceHung(process, now: now)
                continue
            }
            let wasLate = process.isLate
            process.isLate = process.heartbeat.isLate(now: now)
            if process.isLate, !wasLate {
                // First: whoever hears of it can rely on it.
                updateSteering()
                logger.warning("a worker answers late", metadata: ["slot": "\(slot.number)", "pid": "\(process.pid)"])
                publish(.workerLate(slot: slot.number, generation: process.generation, pid: Int(process.pid)))
            }
        }
    }

    func healthDeadline(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        slots.compactMap { slot in
            guard slot.isConnected, let process = slot.process, let next = process.heartbeat.nextDeadline else {
                return nil
            }
            // A late worker must also be noticed as late between two pings.
            return process.isLate ? next : min(next, now + process.heartbeat.policy.interval)
        }.min()
    }

    /// The slot gets a new process now. The old one keeps what it has not receipted until it is dead: it might yet wake
    /// up and serve it.
    private func replaceHung(_ process: WorkerProcess, now: ContinuousClock.Instant) {
        logger.error(
            "a worker hangs and is replaced",
            metadata: ["slot": "\(process.slot)", "pid": "\(process.pid)"]
        )
        publish(.workerHung(slot: process.slot, generation: process.generation, pid: Int(process.pid)))
        process.killAt = now + configuration.heartbeat.abortGrace
        process.abort()
        abandon(process)
    }
}
