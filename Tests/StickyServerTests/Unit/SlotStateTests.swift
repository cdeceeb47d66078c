import Testing

@testable import StickyServer

@Suite("Life of a slot")
struct SlotStateTests {
    private let start = ContinuousClock.now
    private let failed = WorkerEnd(code: 1, signal: nil)
    private let clean = WorkerEnd(code: 0, signal: nil)

    private func at(_ seconds: Double) -> ContinuousClock.Instant {
        start + .milliseconds(Int64(seconds * 1000))
    }

    private func slot(_ respawn: RespawnPolicy = .always, parksAfter failures: Int = 2) -> SlotState {
        var policy = BackoffPolicy()
        policy.base = .seconds(1)
        policy.jitter = 0
        policy.failuresBeforeParking = failures
        policy.parking = .seconds(60)
        return SlotState(respawn: respawn, backoff: policy, now: start)
    }

    /// A slot in each phase, as it gets there.
    private func slot(in phase: String) -> SlotState {
        var slot = slot(parksAfter: 1)
        if phase == "waiting" { return slot }
        slot.started(now: at(1))
        switch phase {
        case "ready": _ = slot.becameReady(now: at(2))
        case "draining": slot.stop()
        case "parked": _ = slot.ended(failed, now: at(2), chance: 0.5)
        case "stopped": slot.remove()
        default: break
        }
        return slot
    }

    private static let phases = ["waiting", "starting", "ready", "draining", "parked", "stopped"]

    @Test("A new slot is due at once, and starts once")
    func begins() {
        var slot = slot()
        #expect(slot.phase == .waiting(until: start))
        #expect(slot.isAlive)
        #expect(!slot.isReady)
        #expect(slot.isDue(now: start) == true)
        slot.started(now: at(1))
        #expect(slot.phase == .starting(since: at(1)))
        #expect(slot.isDue(now: at(100)) == false)
        #expect(slot.isAlive)
    }

    @Test("Only a slot that waits can be started", arguments: phases)
    func started(_ phase: String) {
        var slot = slot(in: phase)
        let before = slot.phase
        slot.started(now: at(9))
        #expect(slot.phase == (phase == "waiting" ? .starting(since: at(9)) : before))
    }

    @Test("Only a starting slot becomes ready", arguments: phases)
    func becameReady(_ phase: String) {
        var slot = slot(in: phase)
        let before = slot.phase
        let isAccepted = slot.becameReady(now: at(9))
        #expect(isAccepted == (phase == "starting"))
        #expect(slot.phase == (phase == "starting" ? .ready(since: at(9)) : before))
        #expect(slot.isReady == (phase == "starting" || phase == "ready"))
    }

    @Test("Stopping lets a process drain and ends a slot without one", arguments: phases)
    func stop(_ phase: String) {
        var slot = slot(in: phase)
        slot.stop()
        let hasProcess = ["starting", "ready", "draining"].contains(phase)
        #expect(slot.phase == (hasProcess ? .draining : .stopped))
        #expect(slot.isDue(now: at(1000)) == false)
        #expect(slot.isAlive == hasProcess)
    }

    @Test("After stopping nothing starts a slot again", arguments: phases)
    func afterStop(_ phase: String) {
        var slot = slot(in: phase)
        slot.stop()
        let before = slot.phase
        slot.continued(since: at(9))
        slot.replaced(now: at(9))
        slot.started(now: at(9))
        #expect(slot.becameReady(now: at(9)) == false)
        #expect(slot.phase == before)
        #expect(slot.ended(failed, now: at(10), chance: 0.5) == .none)
        #expect(slot.phase == .stopped)
    }

    @Test("A slot that is taken away is stopped at once, from every phase", arguments: phases)
    func remove(_ phase: String) {
        var slot = slot(in: phase)
        slot.remove()
        #expect(slot.phase == .stopped)
        #expect(!slot.isAlive)
    }

    @Test("An end where there is no process changes nothing", arguments: ["waiting", "parked", "stopped"])
    func endedWithoutProcess(_ phase: String) {
        var slot = slot(in: phase)
        let (before, diedAt) = (slot.phase, slot.diedAt)
        #expect(slot.ended(failed, now: at(9), chance: 0.5) == .none)
        #expect(slot.phase == before)
        #expect(slot.diedAt == diedAt)
    }

    @Test("A worker that served is started again, at first at once and then after a wait")
    func respawns() {
        var slot = slot()
        var time = 0.0
        for delay in [0.0, 1, 2, 4] {
            #expect(slot.isDue(now: at(time)) == true)
            slot.started(now: at(time))
            #expect(slot.becameReady(now: at(time + 1)) == true)
            time += 2
            #expect(slot.ended(failed, now: at(time), chance: 0.5) == .respawn(at: at(time + delay)))
            #expect(slot.diedAt == at(time))
            #expect(slot.phase == .waiting(until: at(time + delay)))
            if delay > 0 { #expect(slot.isDue(now: at(time + delay - 0.001)) == false) }
            time += delay
        }
    }

    @Test("A worker that keeps failing to start is parked, rests and gets one more try")
    func parks() {
        var slot = slot(parksAfter: 2)
        slot.started(now: at(0))
        #expect(slot.ended(failed, now: at(1), chance: 0.5) == .respawn(at: at(1)))
        slot.started(now: at(1))
        #expect(slot.ended(failed, now: at(2), chance: 0.5) == .park(until: at(62)))
        #expect(slot.phase == .parked(until: at(62)))
        #expect(!slot.isAlive)
        #expect(slot.isDue(now: at(61.999)) == false)
        #expect(slot.phase == .parked(until: at(62)))
        #expect(slot.isDue(now: at(62)) == true)
        #expect(slot.isAlive)
        slot.started(now: at(62))
        #expect(slot.ended(failed, now: at(63), chance: 0.5) == .park(until: at(123)))
    }

    @Test("The respawn policy decides whether there is another start")
    func policy() {
        for (policy, end, respawns) in [
            (RespawnPolicy.always, clean, true), (.always, failed, true), (.error, clean, false),
            (.error, failed, true), (.never, clean, false), (.never, failed, false),
        ] {
            var slot = slot(policy)
            slot.started(now: at(0))
            #expect(slot.becameReady(now: at(1)) == true)
            let reaction = slot.ended(end, now: at(2), chance: 0.5)
            #expect(reaction == (respawns ? .respawn(at: at(2)) : .none))
            #expect(slot.phase == (respawns ? .waiting(until: at(2)) : .stopped))
        }
    }

    @Test("A process that takes over makes its slot start or serve from then on", arguments: phases)
    func takesOver(_ phase: String) {
        guard phase != "draining" else { return }
        var slot = slot(in: phase)
        slot.continued(since: at(9))
        #expect(slot.phase == .starting(since: at(9)))
        slot.replaced(now: at(10))
        #expect(slot.phase == .ready(since: at(10)))
    }

    @Test("The next deadline is that of the phase", arguments: phases)
    func deadline(_ phase: String) {
        let expected: [String: ContinuousClock.Instant] = ["waiting": start, "starting": at(31), "parked": at(62)]
        #expect(slot(in: phase).nextDeadline(bootLimit: .seconds(30)) == expected[phase])
    }

    @Test("Only a starting slot is overdue, from the limit on", arguments: phases)
    func overdue(_ phase: String) {
        let slot = slot(in: phase)
        #expect(!slot.isOverdue(now: at(30.999), bootLimit: .seconds(30)))
        #expect(slot.isOverdue(now: at(31), bootLimit: .seconds(30)) == (phase == "starting"))
    }
}
