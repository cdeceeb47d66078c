internal import Logging

extension MasterLoop {
    /// How many connections one listener may bring before the workers are served.
    static let batch = 64
    /// How long the master leaves the backlog alone when the system is out of descriptors or memory.
    private static let resourcePause: Duration = .milliseconds(100)

    /// Connections of every listener of `ready`.
    func acceptConnections(_ ready: [Listener]) {
        takeReceipts(clock.now)
        pacing.accepting(
            areBehind: activeSlots.allSatisfy { slot in
                slot.process.map { $0.tally != nil && $0.ledger.count > 0 } ?? false
            }
        )
        var accepted = 0
        for listener in ready { accepted += acceptConnections(listener) }
        pacing.accepted(accepted)
    }

    /// Returns how many came.
    @discardableResult
    func acceptConnections(_ listener: Listener, atMost limit: Int = MasterLoop.batch) -> Int {
        guard stop == nil else { return 0 }
        let now = clock.now
        var accepted = 0
        defer {
            if accepted > 0 { events.counts.accepted(accepted) }
        }
        for _ in 0..<limit {
            guard heldSockets < configuration.limits.held else {
                pauseAccepting(.holdingTooMany, because: .holdingTooMany)
                return accepted
            }
            switch listener.accept() {
            case .connection(let connection, let peer):
                accepted += 1
                if isShortOfResources { endShortage() }
                let route = router.route(peer)
                let tag = account.tag(for: route)
                if tag != .none {
                    let inSlot = countedConnections(of: slots[route.home])
                    if let reason = account.refusal(of: tag, inSlot: inSlot) {
                        refuse(connection, of: peer, slot: route.home, reason: reason)
                        continue
                    }
                    account.add(tag)
                    events.counts.counted(account.all.total)
                }
                let local = listener.localAddress(of: connection)
                let socket = PausedSocket(
                    connection: connection,
                    peer: peer,
                    local: local,
                    listener: listener.index,
                    reason: route.reason
                )
                heldSockets += 1
                place(HeldSocket(socket, route: route, arrived: now, tag: tag))
            case .skip:
                continue
            case .nothing:
                return accepted
            case .exhausted(let errno):
                let pause = AcceptPause.outOfResources(until: now + Self.resourcePause, held: heldSockets)
                // Tries in vain are told once.
                guard !isShortOfResources else {
                    acceptPause = pause
                    return accepted
                }
                isShortOfResources = true
                logger.warning(
                    "cannot accept: out of descriptors or memory",
                    metadata: ["error": "\(Libc.describe(errno: errno))"]
                )
                pauseAccepting(pause, because: .outOfResources)
                return accepted
            }
        }
        return accepted
    }

    private func pauseAccepting(_ pause: AcceptPause, because reason: PauseReason) {
        guard acceptPause == nil else { return }
        acceptPause = pause
        publish(.acceptPaused(reason: reason))
    }

    func resumeAccepting(_ now: ContinuousClock.Instant) {
        switch acceptPause {
        case .holdingTooMany:
            // Half-way down, so that a full master does not switch back and forth with every connection.
            guard heldSockets <= configuration.limits.held / 2 else { return }
        case .outOfResources(let until, let held):
            // A socket that a worker took is a descriptor more. Whether that is enough shows when the next one comes.
            if now >= until || heldSockets < held { acceptPause = nil }
            return
        case nil:
            return
        }
        acceptPause = nil
        publish(.acceptResumed)
    }

    private func endShortage() {
        isShortOfResources = false
        publish(.acceptResumed)
    }

    // MARK: - Placing

    /// Gives a socket to its slot, to wait there or to be sent on at once; or to another slot, as the policy says.
    func place(_ held: consuming HeldSocket) {
        let home = slots[held.route.home]
        if home.hasRoom(configuration.limits) {
            home.waiting.append(held)
            return
        }
        let policy = configuration.whenUnavailable
        let canWait = home.state.isAlive && !home.isLate && home.waiting.count < configuration.limits.waitingPerSlot
        if canWait, policy.patience > .zero {
            home.waiting.append(held)
            return
        }
        if policy.reroutes, let other = otherSlot(than: home, for: held.route.hash) {
            other.waiting.append(held.with(reason: .rerouted))
            return
        }
        // Nobody can take it at the moment. With the policy to re-route it waits for whoever is first.
        if home.state.isAlive, home.waiting.count < configuration.limits.waitingPerSlot {
            home.waiting.append(held)
            return
        }
        drop(held, slot: home.number, reason: home.state.isAlive ? .queueFull : .unavailable)
    }

    private func otherSlot(than home: Slot, for hash: UInt64) -> Slot? {
        router.choice(for: hash) { number in
            let slot = slots[number]
            guard slot !== home, slot.hasRoom(configuration.limits) else { return false }
            return configuration.connectionLimits.perWorker == nil
                || !account.isFull(slot: countedConnections(of: slot))
        }.map { slots[$0] }
    }

    func drop(_ held: consuming HeldSocket, slot: Int, reason: DropReason) {
        heldSockets -= 1
        if held.tag != .none {
            account.remove(held.tag)
            events.counts.counted(account.all.total)
        }
        tellDrop(held.socket.peer, slot: slot, reason: reason)
    }

    // MARK: - Waiting

    /// When the oldest socket that waits for this slot loses its patience; nil while nothing waits in vain.
    func waitingDeadline(_ slot: Slot) -> ContinuousClock.Instant? {
        guard slot.waiting.count > 0, let oldest = slot.waiting.withElement(at: 0, { $0.arrived }) else { return nil }
        return max(oldest + configuration.whenUnavailable.patience, slot.nextExpiry ?? oldest)
    }

    /// Sends sockets that have waited long enough to their next choice, or drops them.
    func expireWaiting(_ now: ContinuousClock.Instant) {
        for slot in slots {
            if let until = slot.pausedUntil, now >= until { slot.pausedUntil = nil }
            guard let deadline = waitingDeadline(slot), now >= deadline else { continue }
            slot.nextExpiry = nil
            for _ in 0..<slot.waiting.count {
                guard let held = slot.waiting.popFirst() else { break }
                expire(held, in: slot, now: now)
            }
            // Those that are left have nowhere to go yet: look again soon and not in a spin.
            if slot.waiting.count > 0 { slot.nextExpiry = now + .milliseconds(50) }
        }
    }

    private func expire(_ held: consuming HeldSocket, in slot: Slot, now: ContinuousClock.Instant) {
        let policy = configuration.whenUnavailable
        let waited = now - held.arrived
        if waited < policy.patience || slot.hasRoom(configuration.limits) {
            slot.waiting.append(held)
        } else if !policy.reroutes {
            drop(held, slot: slot.number, reason: .unavailable)
        } else if let other = otherSlot(than: slot, for: held.route.hash) {
            other.waiting.append(held.with(reason: .rerouted))
        } else if activeSlots.contains(where: { $0.state.isAlive }), waited < policy.patience + configuration.bootLimit
        {
            slot.waiting.append(held)
        } else {
            drop(held, slot: slot.number, reason: .unavailable)
        }
    }
}
