import Testing

@testable import StickyServer

@Suite("Configuration")
struct ConfigurationTests {
    private func code(_ change: (inout Configuration) -> Void) -> StickyServerError.Code? {
        var configuration = Configuration()
        configuration.listeners = [ListenAddress(.ipv4(0, port: 80))]
        change(&configuration)
        do throws(StickyServerError) {
            try configuration.validate()
            return nil
        } catch {
            return error.code
        }
    }

    @Test("The defaults with one listener are valid")
    func defaults() {
        #expect(code { _ in } == nil)
        let configuration = Configuration()
        #expect(configuration.maxWorkers == 0)
        #expect(configuration.respawn == .always)
        #expect(configuration.whenUnavailable == UnavailablePolicy.waitThenReroute(.seconds(1)))
        #expect(configuration.limits == HandOffLimits())
        #expect(!configuration.recycling.isOn)
    }

    @Test("The ends of every range are valid")
    func ends() {
        #expect(code { $0.maxWorkers = 1024 } == nil)
        #expect(code { $0.listeners = Array(repeating: $0.listeners[0], count: 64) } == nil)
        #expect(code { $0.maximumMessageLength = 1 } == nil)
        #expect(code { ($0.maximumMessageLength, $0.messageQueueLimit) = (64 << 20, 64 << 20) } == nil)
        #expect(code { $0.routing.ipv6PrefixLength = 1 } == nil)
        #expect(code { $0.routing.ipv6PrefixLength = 128 } == nil)
        #expect(code { $0.routing.key = [UInt8](0...15) } == nil)
        #expect(code { $0.routing.weights = [0.001, 1e300] } == nil)
    }

    @Test("Nowhere to listen, and too many places, are refused")
    func listeners() {
        #expect(code { $0.listeners = [] } == .invalidConfiguration)
        #expect(code { $0.listeners = Array(repeating: $0.listeners[0], count: 65) } == .invalidConfiguration)
    }

    @Test("A number of workers out of range is refused", arguments: [-1, 1025, Int.max, Int.min])
    func workers(_ count: Int) {
        #expect(code { $0.maxWorkers = count } == .invalidConfiguration)
    }

    @Test("Every limit of the hand-off is at least 1", arguments: [0, -1])
    func limits(_ limit: Int) {
        #expect(code { $0.limits.unreceiptedPerWorker = limit } == .invalidConfiguration)
        #expect(code { $0.limits.waitingPerSlot = limit } == .invalidConfiguration)
        #expect(code { $0.limits.held = limit } == .invalidConfiguration)
    }

    @Test("A message must fit its queue")
    func messages() {
        #expect(code { $0.maximumMessageLength = 0 } == .invalidConfiguration)
        #expect(code { $0.maximumMessageLength = (64 << 20) + 1 } == .invalidConfiguration)
        #expect(code { $0.messageQueueLimit = $0.maximumMessageLength - 1 } == .invalidConfiguration)
    }

    @Test("Routing settings out of range are refused")
    func routing() {
        #expect(code { $0.routing.key = [1, 2, 3] } == .invalidConfiguration)
        #expect(code { $0.routing.ipv6PrefixLength = 0 } == .invalidConfiguration)
        #expect(code { $0.routing.ipv6PrefixLength = 129 } == .invalidConfiguration)
        for weight in [0, -1, Double.infinity, .nan] {
            #expect(code { $0.routing.weights = [1, weight] } == .invalidConfiguration)
        }
    }

    @Test("Patience is attempts times interval, and never negative")
    func patience() {
        #expect(UnavailablePolicy.wait(attempts: 3, interval: .milliseconds(500)).patience == .milliseconds(1500))
        #expect(UnavailablePolicy.wait(attempts: -1).patience == .zero)
        #expect(!UnavailablePolicy.wait().reroutes)
        #expect(UnavailablePolicy.reroute == UnavailablePolicy.waitThenReroute(.zero))
    }
}

@Suite("Respawn policy")
struct RespawnPolicyTests {
    @Test("Reads its own description, in capitals or not", arguments: [RespawnPolicy.always, .error, .never])
    func parsing(_ policy: RespawnPolicy) {
        #expect(RespawnPolicy(parsing: policy.description) == policy)
        #expect(RespawnPolicy(parsing: policy.description.uppercased()) == policy)
    }

    @Test("Reads nothing else", arguments: ["", "sometimes", " always", "always "])
    func refuses(_ text: String) {
        #expect(RespawnPolicy(parsing: text) == nil)
    }

    @Test("Decides by how the worker ended")
    func decision() {
        let clean = WorkerEnd(code: 0, signal: nil)
        let failed = WorkerEnd(code: 3, signal: nil)
        let killed = WorkerEnd(code: nil, signal: 9)
        let lost = WorkerEnd(code: nil, signal: nil)
        for end in [clean, failed, killed, lost] {
            #expect(RespawnPolicy.always.respawns(after: end))
            #expect(!RespawnPolicy.never.respawns(after: end))
            #expect(RespawnPolicy.error.respawns(after: end) == (end != clean))
        }
    }

    @Test("An end is told in words")
    func words() {
        #expect(WorkerEnd(code: 3, signal: nil).description == "exit status 3")
        #expect(WorkerEnd(code: nil, signal: 9).description == "SIGKILL")
        #expect(WorkerEnd(code: nil, signal: 11).description == "SIGSEGV")
        #expect(WorkerEnd(code: nil, signal: 60).description == "signal 60")
    }
}

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
