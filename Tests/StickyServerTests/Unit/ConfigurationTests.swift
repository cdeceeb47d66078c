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
