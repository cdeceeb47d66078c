#if Hummingbird
import NIOCore
import NIOEmbedded
@testable import StickyHummingbird
import Testing

@Suite("The deadline of a connection")
struct ConnectionDeadlineTests {
    private final class Count {
        var value = 0
    }

    private let loop = EmbeddedEventLoop()
    private let fired = Count()

    private func move(_ deadline: ConnectionDeadline, in time: TimeAmount) {
        if deadline.move(to: loop.now + time) { deadline.startTimer(on: loop) { fired.value += 1 } }
    }

    @Test("comes once")
    func once() {
        let deadline = ConnectionDeadline()
        move(deadline, in: .seconds(10))
        #expect(deadline.isSet)
        loop.advanceTime(by: .seconds(9))
        #expect(fired.value == 0)
        loop.advanceTime(by: .seconds(1))
        #expect(fired.value == 1)
        #expect(!deadline.isSet)
        loop.advanceTime(by: .seconds(100))
        #expect(fired.value == 1)
    }

    @Test("moved later costs no second timer and comes later")
    func later() {
        let deadline = ConnectionDeadline()
        move(deadline, in: .seconds(10))
        loop.advanceTime(by: .seconds(5))
        #expect(!deadline.move(to: loop.now + .seconds(10)))
        loop.advanceTime(by: .seconds(9))
        #expect(fired.value == 0)
        loop.advanceTime(by: .seconds(1))
        #expect(fired.value == 1)
    }

    @Test("moved earlier comes earlier, once")
    func earlier() {
        let deadline = ConnectionDeadline()
        move(deadline, in: .seconds(10))
        move(deadline, in: .seconds(2))
        loop.advanceTime(by: .seconds(2))
        #expect(fired.value == 1)
        loop.advanceTime(by: .seconds(20))
        #expect(fired.value == 1)
    }

    @Test("cleared does not come, and may be set again")
    func cleared() {
        let deadline = ConnectionDeadline()
        move(deadline, in: .seconds(10))
        deadline.clear()
        loop.advanceTime(by: .seconds(20))
        #expect(fired.value == 0)
        move(deadline, in: .seconds(1))
        loop.advanceTime(by: .seconds(1))
        #expect(fired.value == 1)
    }

    @Test("ended never comes")
    func ended() {
        let deadline = ConnectionDeadline()
        move(deadline, in: .seconds(1))
        deadline.end()
        loop.advanceTime(by: .seconds(5))
        #expect(fired.value == 0)
    }
}
#endif
