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

    /// The sentence of the refusal.
    private func message(_ change: (inout Configuration) -> Void) -> String {
        var configuration = Configuration()
        configuration.listeners = [ListenAddress(.ipv4(0, port: 80))]
        change(&configuration)
        do throws(StickyServerError) {
            try configuration.validate()
            return ""
        } catch {
            return error.message
        }
    }

    @Test("A share that is none is refused by its name", arguments: [-0.1, 1.1, .nan, .infinity, -.infinity])
    func jitters(_ share: Double) {
        #expect(message { $0.recycling.jitter = share }.hasPrefix("recycling.jitter is "))
        #expect(message { $0.backoff.jitter = share }.hasPrefix("backoff.jitter is "))
    }

    private typealias Setter = @Sendable (inout Configuration, Duration) -> Void

    /// Name, how to set it, and whether zero means something.
    private static let times: [(String, Setter, Bool)] = [
        ("bootLimit", { $0.bootLimit = $1 }, false),
        ("drainSpread", { $0.drainSpread = $1 }, true),
        ("crashReportLimit", { $0.crashReportLimit = $1 }, true),
        ("heartbeat.interval", { $0.heartbeat.interval = $1 }, false),
        ("heartbeat.lateAfter", { $0.heartbeat.lateAfter = $1 }, false),
        ("heartbeat.abortGrace", { $0.heartbeat.abortGrace = $1 }, true),
        ("backoff.base", { $0.backoff.base = $1 }, false),
        ("backoff.maximum", { $0.backoff.maximum = $1 }, false),
        ("backoff.healthyAfter", { $0.backoff.healthyAfter = $1 }, true),
        ("backoff.parking", { $0.backoff.parking = $1 }, false),
        ("whenUnavailable.patience", { $0.whenUnavailable.patience = $1 }, true),
    ]

    @Test("A time that is negative, absurd, or zero where that means nothing is refused by its name")
    func times() {
        for (name, set, orZero) in Self.times {
            for time in [.seconds(-1), .seconds(11 * 365 * 86_400), .seconds(Int64.max)] as [Duration] {
                #expect(message { set(&$0, time) }.hasPrefix("\(name) is "))
            }
            #expect(message { set(&$0, .zero) }.isEmpty == orZero, "\(name)")
        }
    }

    @Test("Times that may be missing are checked when they are there")
    func optionalTimes() {
        #expect(message { ($0.drainDeadline, $0.heartbeat.hungAfter) = (nil, nil) }.isEmpty)
        #expect(message { $0.drainDeadline = .zero }.isEmpty)
        #expect(message { $0.drainDeadline = .seconds(-1) }.hasPrefix("drainDeadline is "))
        #expect(message { $0.heartbeat.hungAfter = .zero }.hasPrefix("heartbeat.hungAfter is "))
        #expect(message { $0.recycling.afterTime = .zero }.hasPrefix("recycling.afterTime is "))
        #expect(message { $0.backoff.maximum = .milliseconds(50) }.hasPrefix("backoff.maximum is "))
    }

    @Test("A patience that would overflow is refused and no trap", arguments: [Int.max, 1 << 40])
    func hugePatience(_ attempts: Int) {
        for interval in [.seconds(1000), .seconds(Int64.max)] as [Duration] {
            #expect(
                message { $0.whenUnavailable = .wait(attempts: attempts, interval: interval) }
                    .hasPrefix("whenUnavailable.patience is ")
            )
        }
    }

    @Test("Numbers that mean nothing are refused by their names", arguments: [0, -1, Int.min])
    func numbers(_ number: Int) {
        #expect(message { $0.connectionLimits.total = number }.hasPrefix("connectionLimits.total is "))
        #expect(message { $0.connectionLimits.perWorker = number }.hasPrefix("connectionLimits.perWorker is "))
        #expect(message { $0.connectionLimits.perSource = number }.hasPrefix("connectionLimits.perSource is "))
        #expect(message { $0.recycling.afterConnections = number }.hasPrefix("recycling.afterConnections is "))
        #expect(message { $0.recycling.aboveMemory = number }.hasPrefix("recycling.aboveMemory is "))
        #expect(message { $0.maximumDrainingGenerations = number }.hasPrefix("maximumDrainingGenerations is "))
        #expect(message { $0.backoff.failuresBeforeParking = number }.hasPrefix("backoff.failuresBeforeParking is "))
        #expect(message { $0.listeners[0].backlog = number }.hasPrefix("listeners[0].backlog is "))
        #expect(message { $0.limits.held = number }.hasPrefix("limits.held is "))
    }

    @Test("Absurd limits are refused by their names")
    func absurd() {
        #expect(message { $0.limits.held = .max }.hasPrefix("limits.held is "))
        #expect(message { $0.limits.waitingPerSlot = .max }.hasPrefix("limits.waitingPerSlot is "))
        #expect(message { $0.limits.unreceiptedPerWorker = 65_536 }.hasPrefix("limits.unreceiptedPerWorker is "))
        #expect(message { $0.messageQueueLimit = .max }.hasPrefix("messageQueueLimit is "))
        #expect(message { $0.listeners[0].deferAccept = -1 }.hasPrefix("listeners[0].deferAccept is "))
        #expect(message { $0.connectionLimits.total = .max }.isEmpty)
    }
}
