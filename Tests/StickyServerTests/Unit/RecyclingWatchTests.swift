import Testing

@testable import StickyServer

@Suite("Recycling watch")
struct RecyclingWatchTests {
    @Test("A policy that never replaces needs no watch")
    func off() {
        #expect(RecyclingWatch(RecyclingPolicy(), now: .now) == nil)
    }

    @Test("Memory is asked for at most once a second")
    func memory() throws {
        var policy = RecyclingPolicy()
        policy.aboveMemory = 100
        let start = ContinuousClock.now
        var watch = try #require(RecyclingWatch(policy, now: start))
        var asked = 0
        for step in 0..<40 {
            let reached = watch.reached(now: start + .milliseconds(100 * step)) {
                asked += 1
                return 100
            }
            #expect(reached == nil)
        }
        #expect(asked == 4)
        #expect(watch.reached(now: start + .seconds(5)) { 101 } == "memory")
    }

    @Test("Connections and time are told once, and again a minute later if nothing came of it")
    func silence() throws {
        var policy = RecyclingPolicy()
        policy.afterConnections = 3
        policy.jitter = 0
        let start = ContinuousClock.now
        var watch = try #require(RecyclingWatch(policy, now: start))
        watch.accepted = 2
        #expect(watch.reached(now: start) == nil)
        watch.accepted = 3
        let told = [0, 1, 59, 60, 61].map { watch.reached(now: start + .seconds($0)) }
        #expect(told == ["connections", nil, nil, "connections", nil])
    }
}
