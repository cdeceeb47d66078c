extension Configuration {
    static let mostWorkers = 1024
    static let mostListeners = 64
    /// Beyond any sense, and far from where arithmetic with times would overflow.
    static let longestTime: Duration = .seconds(10 * 365 * 86_400)
    private static let mostSockets = 1 << 20
    private static let longestMessage = 64 << 20
    private static let largestQueue = 4 << 30

    /// Throws `invalidConfiguration` with the name of the first setting that is wrong.
    func validate() throws(StickyServerError) {
        guard !listeners.isEmpty else {
            throw StickyServerError(
                .invalidConfiguration,
                "no address to listen on: add one to configuration.listeners"
            )
        }
        guard listeners.count <= Self.mostListeners else {
            throw StickyServerError(
                .invalidConfiguration,
                "listeners has \(listeners.count) addresses; at most \(Self.mostListeners) are supported"
            )
        }
        for (index, listener) in listeners.enumerated() {
            try Self.check("listeners[\(index)].backlog", listener.backlog, 1...Int(CInt.max))
            try Self.check("listeners[\(index)].deferAccept", listener.deferAccept, 0...86_400)
        }
        guard (0...Self.mostWorkers).contains(maxWorkers) else {
            throw StickyServerError(
                .invalidConfiguration,
                "maxWorkers is \(maxWorkers); expected 0 (one for each core) to \(Self.mostWorkers)"
            )
        }
        try validateLimits()
        try validateTimes()
        try routing.validate()
        try validateSteering()
    }

    private func validateSteering() throws(StickyServerError) {
        guard steering == .kernel else { return }
        func check(_ isFine: Bool, _ reason: String) throws(StickyServerError) {
            guard !isFine else { return }
            throw StickyServerError(.invalidConfiguration, "steering is .kernel, but \(reason): choose .master")
        }
        #if !os(Linux)
        try check(false, "this system's kernel cannot do that")
        #endif
        try check(
            listeners.allSatisfy { $0.inheritedName == nil && $0.address.port != nil },
            "a listener is no TCP address"
        )
        try check(
            listeners.count <= MasterLoop.mostSteeredAddresses,
            "listeners has \(listeners.count) addresses, and at most \(MasterLoop.mostSteeredAddresses) can be steered"
        )
        try check(!connectionLimits.isOn, "connectionLimits are set, which the master keeps")
        try check(Set(routing.weights + [1]).count == 1, "routing.weights gives slots different shares")
        try Self.checkSteered(slots: maxWorkers)
    }

    static func checkSteered(slots: Int) throws(StickyServerError) {
        guard slots > Steering.mostSlots else { return }
        throw StickyServerError(
            .invalidConfiguration,
            "steering is .kernel, which has room for \(Steering.mostSlots) slots, and not for \(slots): choose .master"
        )
    }

    private func validateLimits() throws(StickyServerError) {
        try Self.check("limits.unreceiptedPerWorker", limits.unreceiptedPerWorker, 1...Int(UInt16.max))
        try Self.check("limits.waitingPerSlot", limits.waitingPerSlot, 1...Self.mostSockets)
        try Self.check("limits.held", limits.held, 1...Self.mostSockets)
        for (name, limit) in [
            ("total", connectionLimits.total), ("perWorker", connectionLimits.perWorker),
            ("perSource", connectionLimits.perSource),
        ] {
            if let limit { try Self.check("connectionLimits.\(name)", limit, 1...Int.max) }
        }
        try Self.check("maximumDrainingGenerations", maximumDrainingGenerations, 1...Self.mostWorkers)
        try Self.check("maximumMessageLength", maximumMessageLength, 1...Self.longestMessage)
        // A queue that a message does not fit would never take it.
        try Self.check("messageQueueLimit", messageQueueLimit, maximumMessageLength...Self.largestQueue)
        if let count = recycling.afterConnections { try Self.check("recycling.afterConnections", count, 1...Int.max) }
        if let bytes = recycling.aboveMemory { try Self.check("recycling.aboveMemory", bytes, 1...Int.max) }
        try Self.check("recycling.jitter", share: recycling.jitter)
        try Self.check("backoff.jitter", share: backoff.jitter)
        try Self.check("backoff.failuresBeforeParking", backoff.failuresBeforeParking, 1...Int.max)
    }

    private func validateTimes() throws(StickyServerError) {
        try Self.check("bootLimit", bootLimit)
        try Self.check("heartbeat.interval", heartbeat.interval)
        try Self.check("heartbeat.lateAfter", heartbeat.lateAfter)
        if let hungAfter = heartbeat.hungAfter { try Self.check("heartbeat.hungAfter", hungAfter) }
        try Self.check("heartbeat.abortGrace", heartbeat.abortGrace, orZero: true)
        try Self.check("backoff.base", backoff.base)
        try Self.check("backoff.maximum", backoff.maximum)
        guard backoff.maximum >= backoff.base else {
            throw StickyServerError(
                .invalidConfiguration,
                "backoff.maximum is \(backoff.maximum), below backoff.base, which is \(backoff.base)"
            )
        }
        try Self.check("backoff.healthyAfter", backoff.healthyAfter, orZero: true)
        try Self.check("backoff.parking", backoff.parking)
        try Self.check("whenUnavailable.patience", whenUnavailable.patience, orZero: true)
        if let drainDeadline { try Self.check("drainDeadline", drainDeadline, orZero: true) }
        try Self.check("drainSpread", drainSpread, orZero: true)
        try Self.check("crashReportLimit", crashReportLimit, orZero: true)
        if let time = recycling.afterTime { try Self.check("recycling.afterTime", time) }
    }

    private static func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(StickyServerError) {
        guard !range.contains(value) else { return }
        let expected =
            range.upperBound == .max
            ? "at least \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
        throw StickyServerError(.invalidConfiguration, "\(name) is \(value); expected \(expected)")
    }

    private static func check(_ name: String, share: Double) throws(StickyServerError) {
        // Not a number is in no range.
        guard !(0...1).contains(share) else { return }
        throw StickyServerError(.invalidConfiguration, "\(name) is \(share); expected a share from 0 to 1")
    }

    private static func check(_ name: String, _ time: Duration, orZero: Bool = false) throws(StickyServerError) {
        guard time < .zero || time > longestTime || (time == .zero && !orZero) else { return }
        throw StickyServerError(
            .invalidConfiguration,
            "\(name) is \(time); expected \(orZero ? "0" : "more than 0") to 3650 days"
        )
    }
}
