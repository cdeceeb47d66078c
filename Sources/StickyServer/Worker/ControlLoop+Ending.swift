internal import CStickyServer
internal import Logging

// A worker's end: replaced, stopped, or without a master.
extension ControlLoop {
    /// The worker wants to be replaced. It serves on until a successor is ready and the master says so.
    func retire() {
        if isConnected { worker.post(Frame.plain(.retire)) } else { beginDrain(.masterGone, within: .zero) }
    }

    func recycle() {
        guard isReady, deadline == nil, let limit = recycling?.reached(now: clock.now) else { return }
        logger.info("this worker is due for recycling", metadata: ["limit": "\(limit)"])
        worker.requestReplacement()
    }

    func loseMaster() {
        guard isConnected else { return }
        isConnected = false
        logger.notice("the master is gone; this worker finishes and ends")
        beginDrain(.masterGone, within: configuration.drainDeadline ?? Self.orphanDeadline)
    }

    func beginDrain(
        _ reason: DrainRequest.Reason,
        within time: Duration,
        spread: Duration = .zero
    ) {
        let end = clock.now + time
        if let deadline {
            self.deadline = min(deadline, end)
            return
        }
        deadline = end
        if reason != .replaced { acceptConnections(all: true) }
        willStopAccepting?()
        steered.close()
        worker.markDraining()
        let seconds = ((time + Self.stuckGrace) / .seconds(1)).rounded(.up)
        sticky_exit_after(CUnsignedInt(max(1, min(seconds, 1e9))))
        handler.drain(DrainRequest(reason: reason, deadline: end, spread: min(spread, time / 2)))
    }
}
