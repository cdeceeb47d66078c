/// How long a slot waits before its next start. A pure value: time and chance come from the caller.
struct Backoff: Sendable, Hashable {
    let policy: BackoffPolicy
    /// Ends in a row without a healthy life between them.
    private(set) var failures = 0
    /// Ends before readiness in a row.
    private(set) var bootFailures = 0

    init(_ policy: BackoffPolicy) {
        self.policy = policy
    }

    /// Notes an end and gives the wait before the next start; nil means that the slot is to be parked.
    ///
    /// `life` is the time since the worker was ready, nil if it never was. `chance` is uniform in 0 ..< 1.
    mutating func delay(afterLifeOf life: Duration?, clean: Bool, chance: Double) -> Duration? {
        if let life {
            bootFailures = 0
            if life >= policy.healthyAfter { failures = 0 }
        } else {
            bootFailures += 1
        }
        // A worker that ends by itself once it has served is recycling, not failing. One that ends as soon as it is
        // ready must still not be started in a spin.
        if clean, let life { return life < .seconds(1) ? policy.base : .zero }
        failures += 1
        if bootFailures >= policy.failuresBeforeParking { return nil }
        return wait(chance: chance)
    }

    /// A rested slot gets one try: if that fails too, it is parked again.
    mutating func unpark() {
        bootFailures = max(0, policy.failuresBeforeParking - 1)
    }

    private func wait(chance: Double) -> Duration {
        guard failures > 1 else { return .zero }
        // 2^20 times the base is beyond any maximum that makes sense, and keeps the shift in range.
        let doubled = policy.base * Double(1 << min(failures - 2, 20))
        return min(doubled, policy.maximum) * (1 + policy.jitter * (2 * chance - 1))
    }
}
