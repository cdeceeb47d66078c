import Testing

@testable import StickyServer

@Suite("Room of a slot")
struct SlotTests {
    private let start = ContinuousClock.now

    /// A slot that serves. Its process is none: nothing here sends it a signal or waits for it.
    private func slot() throws -> (slot: Slot, process: WorkerProcess) {
        var state = SlotState(respawn: .always, backoff: BackoffPolicy(), now: start)
        state.started(now: start)
        _ = state.becameReady(now: start)
        let process = WorkerProcess(
            slot: 0,
            generation: 1,
            pid: .max,
            control: try ControlSocket.pair().masterEnd(),
            configuration: Configuration(),
            now: start
        )
        let slot = Slot(number: 0, state: state)
        slot.process = process
        return (slot, process)
    }

    private func limits(_ count: Int) -> HandOffLimits {
        var limits = HandOffLimits()
        limits.unreceiptedPerWorker = count
        return limits
    }

    @Test("A slot that serves has room")
    func serves() throws {
        let (slot, _) = try slot()
        #expect(slot.isConnected)
        #expect(slot.hasRoom(limits(1)))
    }

    @Test("Each reason not to send takes the room away")
    func noRoom() throws {
        let changes: [(String, (Slot, WorkerProcess) -> Void)] = [
            ("no process", { slot, _ in slot.process = nil }),
            ("no control socket", { _, process in process.closeControl() }),
            ("draining", { _, process in process.isDraining = true }),
            ("stopping", { slot, _ in slot.state.stop() }),
            ("late", { _, process in process.isLate = true }),
            ("blocked", { slot, _ in slot.isBlocked = true }),
            ("paused", { slot, _ in slot.pausedUntil = .now }),
        ]
        for (name, change) in changes {
            let (slot, process) = try slot()
            change(slot, process)
            #expect(!slot.hasRoom(limits(10)), "\(name)")
        }
    }

    @Test("What waits and what is not receipted count together")
    func counts() throws {
        let (slot, process) = try slot()
        let pairs = try (0..<3).map { _ in try TestPair() }
        slot.waiting.append(pairs[0].heldSocket())
        process.ledger.add(pairs[1].heldSocket())
        #expect(slot.hasRoom(limits(3)))
        #expect(!slot.hasRoom(limits(2)))
        process.ledger.add(pairs[2].heldSocket())
        #expect(!slot.hasRoom(limits(3)))
        let isGood = process.ledger.receipt(2)
        #expect(isGood)
        #expect(slot.hasRoom(limits(2)))
    }

    @Test("A process without a control socket takes nothing and has nothing to flush")
    func withoutControl() throws {
        let (_, process) = try slot()
        process.outbound.append(Frame.plain(.ping))
        process.closeControl()
        #expect(process.send(Frame.plain(.ping)) == nil)
        #expect(process.flushOutbound() == .done)
        #expect(process.controlNumber == -1)
        #expect(process.exitWatchNumber == nil)
    }
}
