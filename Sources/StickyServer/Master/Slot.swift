/// A worker's stable place and what belongs to it. Used only on the master's thread.
final class Slot {
    let number: Int
    var state: SlotState
    /// The process that serves the slot now; nil while it waits for one.
    var process: WorkerProcess?
    /// The process that is to take over once it is ready.
    var successor: Successor?
    /// Connections of this slot's clients that were not sent to a process yet.
    var waiting = NonCopyableQueue<HeldSocket>()
    /// Starts so far.
    var generation = 0
    /// Nothing is sent before this: the kernel or the worker had no room for more descriptors.
    var pausedUntil: ContinuousClock.Instant?
    /// How much may be under way to its process.
    var window = SendWindow()
    /// When sockets that found nowhere to go are looked at again.
    var nextExpiry: ContinuousClock.Instant?
    /// When the control socket was full; sending goes on when it can be written.
    var isBlocked = false

    init(number: Int, state: SlotState) {
        self.number = number
        self.state = state
    }

    /// Whether it has a process that can be sent messages, ready or not.
    var hasControl: Bool { (process?.controlNumber ?? -1) >= 0 }

    /// Whether sockets can be passed on now.
    var isConnected: Bool {
        guard state.isReady, let process else { return false }
        return process.control != nil && !process.isDraining
    }

    /// A process of this slot that has not taken over yet.
    struct Successor {
        let process: WorkerProcess
        let since: ContinuousClock.Instant
    }

    /// Whether its worker answers so late that waiting for it is in vain.
    var isLate: Bool { process?.isLate ?? false }

    /// Whether one more socket would be sent at once.
    func hasRoom(_ limits: HandOffLimits) -> Bool {
        guard isConnected, !isBlocked, pausedUntil == nil, !isLate, let process else { return false }
        return waiting.count + process.ledger.count < limits.unreceiptedPerWorker
    }
}
