/// Whether a worker still answers, as a pure value. One ping is under way at a time.
struct Heartbeat: Sendable {
    enum Action: Sendable, Equatable {
        case none
        case ping(nonce: UInt32)
        /// It has not answered for too long: it is to be replaced.
        case hung
    }

    let policy: HeartbeatPolicy
    private var nonce: UInt32 = 0
    private var unanswered: ContinuousClock.Instant?
    private var nextPing: ContinuousClock.Instant
    private var isHung = false

    init(_ policy: HeartbeatPolicy, now: ContinuousClock.Instant) {
        self.policy = policy
        nextPing = now + policy.interval
    }

    mutating func tick(now: ContinuousClock.Instant) -> Action {
        guard !isHung else { return .none }
        if let unanswered {
            guard let limit = policy.hungAfter, now - unanswered >= limit else { return .none }
            isHung = true
            return .hung
        }
        guard now >= nextPing else { return .none }
        nonce &+= 1
        unanswered = now
        nextPing = now + policy.interval
        return .ping(nonce: nonce)
    }

    /// An answer to an older ping is none to the one under way.
    mutating func answered(nonce: UInt32) {
        if nonce == self.nonce { unanswered = nil }
    }

    /// Whether the answer is so late that new clients had better go elsewhere.
    func isLate(now: ContinuousClock.Instant) -> Bool {
        guard let unanswered else { return false }
        return now - unanswered >= policy.lateAfter
    }

    /// When something changes next.
    var nextDeadline: ContinuousClock.Instant? {
        guard !isHung else { return nil }
        guard let unanswered else { return nextPing }
        return policy.hungAfter.map { unanswered + $0 }
    }
}
