/// The life of a slot, as a pure value: inputs with a time go in, what the master has to do comes out.
struct SlotState: Sendable {
    enum Phase: Sendable, Equatable {
        /// No process; the next start is due.
        case waiting(until: ContinuousClock.Instant)
        /// A process was started and is not ready.
        case starting(since: ContinuousClock.Instant)
        case ready(since: ContinuousClock.Instant)
        /// The process finishes what it has.
        case draining
        /// No process, and a rest after a crash loop.
        case parked(until: ContinuousClock.Instant)
        /// No process and none to come.
        case stopped
    }

    /// What the master has to do after an end.
    enum Reaction: Sendable, Equatable {
        case respawn(at: ContinuousClock.Instant)
        case park(until: ContinuousClock.Instant)
        case none
    }

    private(set) var phase: Phase
    private(set) var backoff: Backoff
    private(set) var diedAt: ContinuousClock.Instant?
    private let respawn: RespawnPolicy
    private var isStopping = false

    init(respawn: RespawnPolicy, backoff: BackoffPolicy, now: ContinuousClock.Instant) {
        self.respawn = respawn
        self.backoff = Backoff(backoff)
        phase = .waiting(until: now)
    }

    /// Whether connections can be passed to the slot's process now.
    var isReady: Bool {
        if case .ready = phase { true } else { false }
    }

    /// Whether the slot has a process, or will have one without anybody's help.
    var isAlive: Bool {
        switch phase {
        case .stopped, .parked: false
        default: true
        }
    }

    /// When the slot wants to be looked at again.
    func nextDeadline(bootLimit: Duration) -> ContinuousClock.Instant? {
        switch phase {
        case .waiting(let until), .parked(let until): until
        case .starting(let since): since + bootLimit
        case .ready, .draining, .stopped: nil
        }
    }

    /// Whether a process is due. A rested slot leaves its parking by this.
    mutating func isDue(now: ContinuousClock.Instant) -> Bool {
        switch phase {
        case .waiting(let until):
            return now >= until
        case .parked(let until):
            guard now >= until else { return false }
            backoff.unpark()
            phase = .waiting(until: now)
            return true
        default:
            return false
        }
    }

    /// Whether the process took too long to become ready.
    func isOverdue(now: ContinuousClock.Instant, bootLimit: Duration) -> Bool {
        if case .starting(let since) = phase { now >= since + bootLimit } else { false }
    }

    mutating func started(now: ContinuousClock.Instant) {
        guard case .waiting = phase else { return }
        phase = .starting(since: now)
    }

    /// A process that was started before takes the place of the one that ended.
    mutating func continued(since: ContinuousClock.Instant) {
        if !isStopping { phase = .starting(since: since) }
    }

    /// The worker said that it is ready. False when it has no business to: it is ready already, or stopping.
    mutating func becameReady(now: ContinuousClock.Instant) -> Bool {
        guard case .starting = phase else { return false }
        phase = .ready(since: now)
        return true
    }

    /// A process that was ready already took the place of the one before it.
    mutating func replaced(now: ContinuousClock.Instant) {
        if !isStopping { phase = .ready(since: now) }
    }

    /// No more starts. A slot without a process is done.
    mutating func stop() {
        isStopping = true
        switch phase {
        case .starting, .ready: phase = .draining
        case .waiting, .parked: phase = .stopped
        case .draining, .stopped: break
        }
    }

    /// The slot is taken away; its process drains without it.
    mutating func remove() {
        phase = .stopped
    }

    /// The process ended, or will in a moment. `chance` is uniform in 0 ..< 1.
    mutating func ended(_ end: WorkerEnd, now: ContinuousClock.Instant, chance: Double) -> Reaction {
        let life: Duration?
        switch phase {
        case .ready(let since): life = now - since
        case .draining: life = .zero
        case .starting: life = nil
        case .waiting, .parked, .stopped: return .none
        }
        diedAt = now
        guard !isStopping, respawn.respawns(after: end) else {
            phase = .stopped
            return .none
        }
        guard let delay = backoff.delay(afterLifeOf: life, clean: end.isClean, chance: chance) else {
            let until = now + backoff.policy.parking
            phase = .parked(until: until)
            return .park(until: until)
        }
        phase = .waiting(until: now + delay)
        return .respawn(at: now + delay)
    }
}
