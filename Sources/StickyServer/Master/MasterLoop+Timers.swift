// When something is due, and what happens then.
extension MasterLoop {
    /// Milliseconds until something is due.
    func pollTimeout(_ now: ContinuousClock.Instant) -> CInt {
        let wait = min(timersAreDue, nextReceiptLook ?? timersAreDue) - now
        guard wait > .zero else { return 0 }
        // Rounded up: waking a moment early would spin until the deadline.
        let (seconds, attoseconds) = wait.components
        return CInt(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
    }

    /// When a timer is due.
    func nextDeadline(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant {
        var earliest = nextSweep
        for slot in slots {
            if let deadline = slot.state.nextDeadline(bootLimit: configuration.bootLimit) {
                earliest = min(earliest, deadline)
            }
            if let deadline = waitingDeadline(slot) { earliest = min(earliest, deadline) }
            if let until = slot.pausedUntil { earliest = min(earliest, until) }
        }
        for process in processes {
            if let killAt = process.killAt { earliest = min(earliest, killAt) }
        }
        for slot in slots {
            if let successor = slot.successor { earliest = min(earliest, successor.since + configuration.bootLimit) }
        }
        if let deadline = healthDeadline(now) { earliest = min(earliest, deadline) }
        if let nextWatchdog { earliest = min(earliest, nextWatchdog) }
        if case .outOfResources(let until, _) = acceptPause { earliest = min(earliest, until) }
        return earliest
    }

    func runTimers(_ now: ContinuousClock.Instant) {
        superviseSlots(now)
        enforceDeadlines(now)
        checkHealth(now)
        if now >= nextSweep {
            // A process that passed its control socket on to a child of its own dies without our seeing its end.
            for process in processes where process.exitWatch == nil { reap(process) }
            nextSweep = now + .seconds(1)
        }
        feedWatchdog(now)
        expireWaiting(now)
        resumeAccepting(now)
        flushSlots()
    }

    func feedWatchdog(_ now: ContinuousClock.Instant) {
        guard let due = nextWatchdog, now >= due, let interval = serviceManager.watchdogInterval else { return }
        serviceManager.notify("WATCHDOG=1")
        nextWatchdog = now + interval
    }
}
