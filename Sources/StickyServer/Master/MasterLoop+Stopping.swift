internal import Logging

extension MasterLoop {
    /// After a drain's deadline workers get this long to notice it themselves.
    static let killGrace: Duration = .seconds(1)

    /// First call: no more connections, and workers drain. Second call: everything ends now.
    func beginStop() {
        guard stop == nil else {
            for process in processes { process.kill() }
            return
        }
        // What the backlog holds has been accepted as far as its clients know.
        if hasServed {
            for listener in acceptedHere { acceptConnections(listener, atMost: configuration.limits.held) }
        }
        flushSlots()
        for listener in listeners { listener.removeFile() }
        listeners = []
        publish(.stopping)
        serviceManager.notify("STOPPING=1", "STATUS=stopping")
        stop = StopState()
        reload.cancel()
        for slot in slots {
            slot.state.stop()
            while let held = slot.waiting.popFirst() { drop(held, slot: slot.number, reason: .stopping) }
        }
        for process in processes { startDrain(process, hasSuccessor: false) }
    }

    func fail(_ error: StickyServerError) {
        failure = error
        beginStop()
    }

    func enforceDeadlines(_ now: ContinuousClock.Instant) {
        for process in processes {
            guard let killAt = process.killAt, now >= killAt else { continue }
            logger.warning(
                "a worker did not end in time and is killed",
                metadata: ["slot": "\(process.slot)", "pid": "\(process.pid)"]
            )
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
