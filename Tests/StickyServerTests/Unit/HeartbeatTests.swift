import Testing

@testable import StickyServer

@Suite("Heartbeat")
struct HeartbeatTests {
    private let start = ContinuousClock.now

    private func at(_ seconds: Int64) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func heartbeat(hungAfter: Duration? = .seconds(30)) -> Heartbeat {
        var policy = HeartbeatPolicy()
        policy.interval = .seconds(1)
        policy.lateAfter = .seconds(5)
        policy.hungAfter = hungAfter
        return Heartbeat(policy, now: start)
    }

    @Test("Asks once an interval while answers come")
    func asks() {
        var heartbeat = heartbeat()
        #expect(heartbeat.nextDeadline == at(1))
        #expect(heartbeat.tick(now: at(0)) == .none)
        for second: Int64 in 1...5 {
            #expect(heartbeat.tick(now: at(second)) == .ping(nonce: UInt32(second)))
            #expect(heartbeat.tick(now: at(second)) == .none)
            heartbeat.answered(nonce: UInt32(second))
            #expect(heartbeat.nextDeadline == at(second + 1))
            #expect(!heartbeat.isLate(now: at(second)))
        }
    }

    @Test("One ping is under way at a time")
    func oneAtATime() {
        var heartbeat = heartbeat()
        #expect(heartbeat.tick(now: at(1)) == .ping(nonce: 1))
        for second: Int64 in 2...30 { #expect(heartbeat.tick(now: at(second)) == .none) }
        heartbeat.answered(nonce: 1)
        #expect(heartbeat.tick(now: at(30)) == .ping(nonce: 2))
    }

    @Test("Is late from the limit on, until the answer comes")
    func late() {
        var heartbeat = heartbeat()
        #expect(!heartbeat.isLate(now: at(100)))
        _ = heartbeat.tick(now: at(1))
        #expect(!heartbeat.isLate(now: at(5)))
        #expect(heartbeat.isLate(now: at(6)))
        heartbeat.answered(nonce: 1)
        #expect(!heartbeat.isLate(now: at(6)))
    }

    @Test("Only the answer to the ping under way counts")
    func oldAnswers() {
        var heartbeat = heartbeat()
        _ = heartbeat.tick(now: at(1))
        heartbeat.answered(nonce: 0)
        heartbeat.answered(nonce: 2)
        #expect(heartbeat.isLate(now: at(6)))
        heartbeat.answered(nonce: 1)
        _ = heartbeat.tick(now: at(6))
        heartbeat.answered(nonce: 1)
        #expect(heartbeat.isLate(now: at(11)))
    }

    @Test("Hangs once, from the limit on")
    func hung() {
        var heartbeat = heartbeat()
        _ = heartbeat.tick(now: at(1))
        #expect(heartbeat.nextDeadline == at(31))
        #expect(heartbeat.tick(now: at(30)) == .none)
        #expect(heartbeat.tick(now: at(31)) == .hung)
        #expect(heartbeat.tick(now: at(32)) == .none)
        #expect(heartbeat.nextDeadline == nil)
        #expect(heartbeat.isLate(now: at(32)))
        // An answer now comes too late: it is being replaced.
        heartbeat.answered(nonce: 1)
        #expect(heartbeat.tick(now: at(33)) == .none)
    }

    @Test("Without a limit it is never hung, only late")
    func noLimit() {
        var heartbeat = heartbeat(hungAfter: nil)
        _ = heartbeat.tick(now: at(1))
        #expect(heartbeat.nextDeadline == nil)
        #expect(heartbeat.tick(now: at(1_000_000)) == .none)
        #expect(heartbeat.isLate(now: at(1_000_000)))
        heartbeat.answered(nonce: 1)
        #expect(heartbeat.tick(now: at(1_000_000)) == .ping(nonce: 2))
    }
}
