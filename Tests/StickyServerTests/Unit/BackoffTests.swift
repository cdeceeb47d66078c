import Testing

@testable import StickyServer

@Suite("Backoff")
struct BackoffTests {
    /// A chance of one half means no jitter.
    private func delays(_ backoff: inout Backoff, _ lives: [Duration?], clean: Bool = false) -> [Duration?] {
        lives.map { backoff.delay(afterLifeOf: $0, clean: clean, chance: 0.5) }
    }

    private func policy(_ change: (inout BackoffPolicy) -> Void = { _ in }) -> BackoffPolicy {
        var policy = BackoffPolicy()
        policy.base = .milliseconds(100)
        policy.maximum = .seconds(1)
        change(&policy)
        return policy
    }

    @Test("The first start is immediate, and the wait then doubles up to the maximum")
    func doubling() {
        var backoff = Backoff(policy())
        let lives = [Duration?](repeating: .seconds(1), count: 7)
        let expected = [0, 100, 200, 400, 800, 1000, 1000].map { Duration.milliseconds($0) }
        #expect(delays(&backoff, lives) == expected)
        #expect(backoff.failures == 7)
    }

    @Test("A thousand ends in a row wait for the maximum")
    func many() {
        var backoff = Backoff(policy { $0.maximum = .seconds(30) })
        let last = delays(&backoff, [Duration?](repeating: .seconds(1), count: 1000)).last
        #expect(last == .seconds(30))
    }

    @Test("Jitter makes a wait longer or shorter by up to its share")
    func jitter() {
        for (chance, milliseconds) in [(0.0, 80.0), (0.25, 90), (0.5, 100), (0.75, 110)] {
            var backoff = Backoff(policy { $0.jitter = 0.2 })
            _ = backoff.delay(afterLifeOf: .zero, clean: false, chance: chance)
            let delay = backoff.delay(afterLifeOf: .zero, clean: false, chance: chance) ?? .zero
            #expect(abs(delay / .milliseconds(1) - milliseconds) < 0.001)
        }
    }

    @Test("A healthy life begins the count again, and one just short of it does not")
    func healthy() {
        var backoff = Backoff(policy { $0.healthyAfter = .seconds(60) })
        #expect(
            delays(&backoff, [.zero, .zero, .zero, .milliseconds(59_999), .seconds(60), .zero])
                == [0, 100, 200, 400, 0, 100].map { Duration.milliseconds($0) }
        )
    }

    @Test(
        "A worker that served and left cleanly is replaced at once, or a moment later if it had just begun, and counts as no failure"
    )
    func clean() {
        var backoff = Backoff(policy())
        #expect(
            delays(&backoff, [.zero, .seconds(1), .seconds(100)], clean: true) == [.milliseconds(100), .zero, .zero]
        )
        #expect(backoff.failures == 0)
    }

    @Test("A clean end before readiness is a failure all the same")
    func cleanBoot() {
        var backoff = Backoff(policy())
        #expect(delays(&backoff, [nil, nil], clean: true) == [.zero, .milliseconds(100)])
        #expect(backoff.bootFailures == 2)
    }

    @Test("Ends before readiness in a row park the slot, and a rested one has a single try")
    func parking() {
        var backoff = Backoff(policy { $0.failuresBeforeParking = 3 })
        #expect(delays(&backoff, [nil, nil, nil]) == [.zero, .milliseconds(100), nil])
        backoff.unpark()
        #expect(delays(&backoff, [nil]) == [nil])
        backoff.unpark()
        #expect(delays(&backoff, [.seconds(1), nil, nil]).map { $0 == nil } == [false, false, false])
        #expect(delays(&backoff, [nil]) == [nil])
    }

    @Test("Readiness between two ends keeps the slot from being parked")
    func notInARow() {
        var backoff = Backoff(policy { $0.failuresBeforeParking = 2 })
        let delays = delays(&backoff, [nil, .zero, nil, .zero, nil, nil])
        #expect(delays.map { $0 == nil } == [false, false, false, false, false, true])
    }

    @Test("A policy that parks at once does, and its try after the rest is one too")
    func parksAtOnce() {
        for limit in [1, 0, -1] {
            var backoff = Backoff(policy { $0.failuresBeforeParking = limit })
            #expect(delays(&backoff, [nil]) == [nil])
            backoff.unpark()
            #expect(backoff.bootFailures == 0)
        }
    }
}
