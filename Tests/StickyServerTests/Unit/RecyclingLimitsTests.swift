import Testing

@testable import StickyServer

@Suite("Recycling limits")
struct RecyclingLimitsTests {
    @Test("Nothing is reached when nothing is set")
    func off() {
        let limits = RecyclingLimits(RecyclingPolicy(), chance: 0.5)
        #expect(limits.reached(connections: .max, age: .seconds(1 << 40)) { .max } == nil)
    }

    @Test("Jitter takes up to its share off connections and time")
    func jitter() {
        var policy = RecyclingPolicy()
        policy.afterConnections = 1000
        policy.afterTime = .seconds(100)
        policy.aboveMemory = 5000
        policy.jitter = 0.2
        #expect(policy.isOn)
        let full = RecyclingLimits(policy, chance: 0)
        #expect(full.connections == 1000)
        #expect(full.time == .seconds(100))
        #expect(full.memory == 5000)
        let half = RecyclingLimits(policy, chance: 0.5)
        #expect(half.connections == 900)
        #expect(half.time == .seconds(90))
        #expect(half.memory == 5000)
    }

    @Test("A share out of range counts as the nearest one in it")
    func badJitter() {
        var policy = RecyclingPolicy()
        policy.afterConnections = 1000
        policy.jitter = -3
        #expect(RecyclingLimits(policy, chance: 0.9).connections == 1000)
        policy.jitter = 5
        #expect(RecyclingLimits(policy, chance: 0.5).connections == 500)
    }

    @Test("The largest number of connections is a limit like any other")
    func largest() {
        var policy = RecyclingPolicy()
        policy.afterConnections = .max
        #expect(RecyclingLimits(policy, chance: 0).connections == .max)
        policy.afterConnections = 0
        #expect(RecyclingLimits(policy, chance: 0).connections == 1)
    }

    @Test("Each limit is named when it is reached, and memory is asked for last")
    func reached() {
        var policy = RecyclingPolicy()
        policy.afterConnections = 10
        policy.afterTime = .seconds(60)
        policy.aboveMemory = 1000
        let limits = RecyclingLimits(policy, chance: 0)
        var asked = 0
        func reached(_ connections: Int, _ age: Duration, _ resident: Int?) -> String? {
            limits.reached(connections: connections, age: age) {
                asked += 1
                return resident
            }
        }
        #expect(reached(10, .zero, 0) == "connections")
        #expect(reached(9, .seconds(60), 0) == "time")
        #expect(asked == 0)
        #expect(reached(9, .seconds(59), 1001) == "memory")
        #expect(reached(9, .seconds(59), 1000) == nil)
        #expect(reached(9, .seconds(59), nil) == nil)
    }
}
