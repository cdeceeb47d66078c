internal import CStickyServer
internal import Logging

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension MasterLoop {
    /// How far an upgrade has come.
    enum Upgrade {
        /// A worker of the new binary is starting in this slot, to show that it runs.
        case probing(slot: Int)
        /// It is ready; the master waits until no message is half received.
        case pending
    }

    /// First a worker of the new binary must become ready; only then does the master become the new binary itself.
    func beginUpgrade() {
        guard stop == nil, hasServed, upgrade == nil, !reload.isRunning else {
            publish(.upgradeAborted(reason: "the server is starting, stopping, reloading or upgrading"))
            return
        }
        guard steering == nil else {
            publish(
                .upgradeAborted(reason: "kernel steering cannot be carried over: stop the server and start it again")
            )
            return
        }
        guard let slot = activeSlots.first(where: { $0.isConnected && $0.successor == nil }) else {
            publish(.upgradeAborted(reason: "no worker serves"))
            return
        }
        logger.notice("upgrading", metadata: ["executable": "\(spawner.replacement)"])
        do throws(StickyServerError) {
            let now = clock.now
            let probe = try spawnProcess(slot, now: now, path: spawner.replacement)
            slot.successor = Slot.Successor(process: probe, since: now)
            upgrade = .probing(slot: slot.number)
        } catch {
            abortUpgrade(reason: error.message)
        }
    }

    /// The probe has taken its slot over.
    func upgradeProbeReady(in slot: Int) {
        if case .probing(slot) = upgrade { upgrade = .pending }
    }

    func upgradeProbeFailed(in slot: Int, reason: String) {
        if case .probing(slot) = upgrade { abortUpgrade(reason: reason) }
    }

    private func abortUpgrade(reason: String) {
        upgrade = nil
        logger.error("upgrade aborted; this binary serves on", metadata: ["reason": "\(reason)"])
        publish(.upgradeAborted(reason: reason))
    }

    /// Becomes the new binary once no worker is in the middle of a message. Returns only when that failed.
    func continueUpgrade() {
        guard case .pending = upgrade, stop == nil, processes.allSatisfy({ !$0.assembler.isOpen }) else { return }
        dismissReservations()
        let state = upgradeState()
        do throws(StickyServerError) {
            let file = try UpgradeFile.make(state)
            let inherited = state.descriptors + [file.number]
            for descriptor in inherited { _ = sticky_set_cloexec(descriptor, 0) }
            UpgradeFile.announce(file.number)
            // Handlers do not survive; a signal that came now would end the server.
            MasterSignals.block()
            scheduling.restore()
            let errno = spawner.become()
            scheduling.giveWay()
            MasterSignals.unblock()
            UpgradeFile.withdraw()
            for descriptor in inherited { _ = sticky_set_cloexec(descriptor, 1) }
            abortUpgrade(reason: "cannot execute \(spawner.replacement): \(Libc.describe(errno: errno))")
        } catch {
            abortUpgrade(reason: error.message)
        }
    }

    private func upgradeState() -> UpgradeState {
        let now = clock.now
        var state = UpgradeState()
        state.routingKey = router.key
        state.slotTarget = slotTarget
        state.routedSlots = router.slots
        state.shared = shared
        state.generations = slots.map(\.generation)
        state.listeners = listeners.map { .init(descriptor: $0.descriptor.number, index: $0.index) }
        for process in processes {
            let isCurrent = slots[process.slot].process === process
            let killAfter = process.killAt.map { UInt32(max(0, min(($0 - now) / .milliseconds(1), 1e9))) }
            state.processes.append(
                .init(
                    slot: process.slot,
                    generation: process.generation,
                    pid: process.pid,
                    control: process.controlNumber,
                    tally: process.tallyNumber,
                    talliedReceipts: process.talliedReceipts,
                    isCurrent: isCurrent,
                    isDraining: process.isDraining,
                    killAfter: killAfter,
                    crashSignal: process.crashSignal.map { UInt8(clamping: $0) },
                    open: process.open,
                    outbound: process.outbound.pending
                )
            )
            for index in 0..<process.ledger.count {
                process.ledger.withSocket(at: index) { state.sockets.append(.init($0, sentTo: process.pid)) }
            }
        }
        for slot in slots {
            for index in 0..<slot.waiting.count {
                slot.waiting.withElement(at: index) { state.sockets.append(.init($0, sentTo: nil)) }
            }
        }
        return state
    }

    // MARK: - In the new binary

    /// Takes over what the binary before this one has left. Its workers go on serving meanwhile.
    func adopt(_ state: UpgradeState) {
        let now = clock.now
        shared = state.shared
        for (number, generation) in state.generations.enumerated() where number < slots.count {
            slots[number].generation = generation
        }
        for carried in state.processes {
            let process = WorkerProcess(carried, configuration: configuration, now: now)
            processes.append(process)
            for (tag, count) in process.open.counts { account.add(tag, count) }
            if carried.isCurrent, process.control != nil {
                slots[carried.slot].process = process
                slots[carried.slot].state.replaced(now: now)
            } else {
                process.isRetired = true
                if process.control == nil { process.watchExit() }
            }
        }
        for carried in state.sockets {
            heldSockets += 1
            let held = HeldSocket(carried, arrived: now)
            account.add(carried.entry.tag)
            if let pid = carried.sentTo, let process = processes.first(where: { $0.pid == pid }) {
                process.ledger.add(held)
            } else {
                slots[carried.home].waiting.append(held)
            }
        }
        hasServed = true
        publish(.listening(addresses: listeners.map(\.address), workers: slotTarget))
        serviceManager.notify("MAINPID=\(getpid())", "READY=1", "STATUS=upgraded")
        publish(.upgraded)
        logger.notice("upgraded: this binary serves now", metadata: ["workers": "\(slotTarget)"])
        beginReload()
    }
}

extension UpgradeState.Socket {
    fileprivate init(_ held: borrowing HeldSocket, sentTo pid: Int32?) {
        self.init(
            descriptor: held.socket.descriptor,
            sentTo: pid,
            home: held.route.home,
            hash: held.route.hash,
            entry: ConnectionEntry(held.socket, tag: held.tag)
        )
    }
}

extension HeldSocket {
    fileprivate init(_ carried: UpgradeState.Socket, arrived: ContinuousClock.Instant) {
        let entry = carried.entry
        _ = sticky_set_cloexec(carried.descriptor, 1)
        self.init(
            PausedSocket(
                connection: OwnedConnection(owning: carried.descriptor),
                peer: entry.peer,
                local: entry.local,
                listener: entry.listener,
                reason: entry.reason,
                prelude: entry.prelude,
                hops: entry.hops
            ),
            route: Route(home: carried.home, hash: carried.hash, reason: entry.reason),
            arrived: arrived,
            tag: entry.tag
        )
    }
}

extension WorkerProcess {
    fileprivate convenience init(
        _ carried: UpgradeState.Process,
        configuration: Configuration,
        now: ContinuousClock.Instant
    ) {
        self.init(
            slot: carried.slot,
            generation: carried.generation,
            pid: carried.pid,
            control: ControlSocket(owning: carried.control),
            configuration: configuration,
            now: now
        )
        if carried.control < 0 {
            control = nil
        } else {
            _ = sticky_set_cloexec(carried.control, 1)
        }
        if carried.tally >= 0 {
            _ = sticky_set_cloexec(carried.tally, 1)
            tally = ReceiptTally(mapping: OwnedDescriptor(owning: carried.tally))
            talliedReceipts = carried.talliedReceipts
        }
        isDraining = carried.isDraining
        crashSignal = carried.crashSignal.map { CInt($0) }
        open = carried.open
        killAt = carried.killAfter.map { now + .milliseconds(Int($0)) }
        for frame in carried.outbound { outbound.append(frame) }
    }
}
