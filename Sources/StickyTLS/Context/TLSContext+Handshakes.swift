internal import Synchronization

// Handshakes in progress, and their limit.
extension TLSContext {
    /// The limit was reached: told once in so many nanoseconds while it lasts.
    private static let crowdedInterval: Int64 = 60_000_000_000

    /// Handshakes that have begun and not ended.
    public var handshakesInProgress: Int { state.withLock { $0.handshakes.count } }

    /// What a new connection needs, and its handshake's place in line, with one lock.
    ///
    /// At the limit the one that has to make room is told to end. Throws `tooManyHandshakes` when there is none.
    func beginHandshake() throws(TLSError) -> (TLSGeneration, HandshakeLine.Place) {
        let (generation, place, first, second) = state.withLock { state in
            let limit = state.current.configuration.maximumHandshakesInProgress
            var first: (any TLSHandshakeOwner)?
            var second: (any TLSHandshakeOwner)?
            if state.handshakes.count >= limit {
                first = state.handshakes.passOver()
                // A limit that was lowered is reached again by and by.
                if first != nil, state.handshakes.count >= limit { second = state.handshakes.passOver() }
                if first == nil { return (state.current, nil as HandshakeLine.Place?, first, second) }
            }
            return (state.current, state.handshakes.begin(), first, second)
        }
        for owner in [first, second].lazy.compactMap({ $0 }) {
            counters.handshakesPassedOver.increment()
            owner.handshakeIsPassedOver()
        }
        if first != nil || place == nil { tellOfCrowd(generation.configuration) }
        guard let place else {
            counters.handshakesRefused.increment()
            throw TLSError(.tooManyHandshakes, "As many handshakes are in progress as may be.")
        }
        return (generation, place)
    }

    func wait(_ place: HandshakeLine.Place, _ stage: HandshakeLine.Stage, _ owner: any TLSHandshakeOwner) {
        state.withLock { $0.handshakes.wait(place, stage, owner) }
    }

    func hear(_ place: HandshakeLine.Place) {
        state.withLock { $0.handshakes.hear(place) }
    }

    func endHandshake(_ place: HandshakeLine.Place) {
        let owner = state.withLock { $0.handshakes.end(place) }
        withExtendedLifetime(owner) {}
    }

    private func tellOfCrowd(_ configuration: TLSConfiguration) {
        let now = configuration.clock.monotonic()
        let isNews = state.withLock { state in
            if let told = state.crowdTold, now - told < Self.crowdedInterval { return false }
            state.crowdTold = now
            return true
        }
        if isNews { configuration.onEvent(.tooManyHandshakes(limit: configuration.maximumHandshakesInProgress)) }
    }
}

// How adapters say whom a handshake waits for: only those that wait for their client are ever passed over.
extension TLSSession {
    /// All that has come was given to the session, and the handshake cannot go on without more.
    package mutating func waitForClient(_ owner: any TLSHandshakeOwner) {
        guard let place else { return }
        context.wait(place, transport.pointee.stage, owner)
    }

    /// Something has come that the session will get when its turn comes.
    package mutating func hearFromClient() {
        guard let place else { return }
        context.hear(place)
    }

    /// The connection ends: a handshake in progress does not count any more, and its owner is let go.
    package mutating func giveUpHandshake() {
        guard let place else { return }
        self.place = nil
        context.endHandshake(place)
    }
}

extension Transport {
    fileprivate var stage: HandshakeLine.Stage {
        if helloIsComplete { return .answered }
        return isSilent ? .silent : .talking
    }
}
