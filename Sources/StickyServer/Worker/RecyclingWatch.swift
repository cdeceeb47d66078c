/// Watches one worker's recycling limits.
struct RecyclingWatch {
    private let limits: RecyclingLimits
    private let started: ContinuousClock.Instant
    private var next: ContinuousClock.Instant
    private var nextMemoryCheck: ContinuousClock.Instant
    /// Connections so far.
    var accepted = 0

    /// Nil when the policy never replaces.
    init?(_ policy: RecyclingPolicy, now: ContinuousClock.Instant) {
        guard policy.isOn else { return nil }
        limits = RecyclingLimits(policy, chance: .random(in: 0..<1))
        (started, next, nextMemoryCheck) = (now, now, now)
    }

    /// The limit that is reached, as a word for the log; nil while none is, and for a minute after one was: the
    /// successor may fail.
    mutating func reached(now: ContinuousClock.Instant, memory: () -> Int? = ResidentMemory.bytes) -> String? {
        guard now >= next else { return nil }
        // Asking the kernel for the memory costs more than passing on a connection.
        let asksMemory = now >= nextMemoryCheck
        if asksMemory { nextMemoryCheck = now + .seconds(1) }
        let reached = limits.reached(connections: accepted, age: now - started) { asksMemory ? memory() : nil }
        if reached != nil { next = now + .seconds(60) }
        return reached
    }
}
