import Testing

@testable import StickyServer

@Suite("Rolling reload")
struct RollingReloadTests {
    @Test("Slots get their successors one after the other, in order")
    func order() {
        var reload = RollingReload()
        #expect(!reload.isRunning)
        #expect(reload.begin(slots: [0, 1, 2]) == .start(slot: 0))
        #expect(reload.isRunning)
        #expect(reload.current == 0)
        #expect(reload.succeeded(slot: 0) == .start(slot: 1))
        #expect(reload.succeeded(slot: 1) == .start(slot: 2))
        #expect(reload.succeeded(slot: 2) == .finished(replaced: 3))
        #expect(!reload.isRunning)
    }

    @Test("A slot that needs no successor is passed over and not counted")
    func passedOver() {
        var reload = RollingReload()
        _ = reload.begin(slots: [0, 1])
        #expect(reload.succeeded(slot: 0, counts: false) == .start(slot: 1))
        #expect(reload.succeeded(slot: 1) == .finished(replaced: 1))
    }

    @Test("The first failure ends the reload and leaves the other slots alone")
    func failure() {
        var reload = RollingReload()
        _ = reload.begin(slots: [0, 1, 2])
        _ = reload.succeeded(slot: 0)
        #expect(reload.failed(slot: 1) == .aborted(slot: 1))
        #expect(!reload.isRunning)
        #expect(reload.succeeded(slot: 1) == .none)
        #expect(reload.begin(slots: [0, 1]) == .start(slot: 0))
        #expect(reload.succeeded(slot: 0) == .start(slot: 1))
        // The count is that of this reload.
        #expect(reload.succeeded(slot: 1) == .finished(replaced: 2))
    }

    @Test("What happens to slots whose turn it is not is none of its business")
    func others() {
        var reload = RollingReload()
        #expect(reload.succeeded(slot: 0) == .none)
        #expect(reload.failed(slot: 0) == .none)
        _ = reload.begin(slots: [0, 1])
        #expect(reload.succeeded(slot: 1) == .none)
        #expect(reload.failed(slot: 1) == .none)
        #expect(reload.current == 0)
    }

    @Test("A reload asked for during another is noted, once however often it was asked for")
    func again() {
        var reload = RollingReload()
        _ = reload.begin(slots: [0])
        #expect(reload.takeRequest() == false)
        #expect(reload.begin(slots: [0]) == .none)
        #expect(reload.begin(slots: [0]) == .none)
        #expect(reload.succeeded(slot: 0) == .finished(replaced: 1))
        #expect(reload.takeRequest() == true)
        #expect(reload.takeRequest() == false)
    }

    @Test("The order of the slots is the caller's, and none at all is finished at once")
    func slots() {
        var reload = RollingReload()
        #expect(reload.begin(slots: []) == .finished(replaced: 0))
        #expect(!reload.isRunning)
        #expect(reload.begin(slots: [5, 2]) == .start(slot: 5))
        #expect(reload.succeeded(slot: 5) == .start(slot: 2))
    }

    @Test("A cancelled reload starts nothing more")
    func cancel() {
        var reload = RollingReload()
        _ = reload.begin(slots: [0, 1])
        reload.cancel()
        #expect(!reload.isRunning)
        #expect(reload.succeeded(slot: 0) == .none)
    }
}
