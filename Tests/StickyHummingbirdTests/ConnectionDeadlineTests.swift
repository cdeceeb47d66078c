#if Hummingbird
import NIOCore
import NIOEmbedded
import StickyNIO
@testable import StickyHummingbird
import TestSupport
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

    #if os(Linux)
    @Test("needs no task on our own loop, and comes, moves, clears and ends as on others")
    func lean() async throws {
        let loop = try StickyEventLoop()
        let state = NIOLoopBoundBox.makeBoxSendingValue([] as [String], eventLoop: loop)
        try await loop.submit {
            func set(_ deadline: ConnectionDeadline, _ time: TimeAmount, _ name: String) {
                if deadline.move(to: loop.now + time) { deadline.startTimer(on: loop) { state.value.append(name) } }
            }
            let moved = ConnectionDeadline()
            set(moved, .hours(1), "moved")
            set(moved, .milliseconds(20), "moved")
            let later = ConnectionDeadline()
            set(later, .milliseconds(1), "later")
            set(later, .milliseconds(40), "later")
            let cleared = ConnectionDeadline()
            set(cleared, .milliseconds(1), "cleared")
            cleared.clear()
            let ended = ConnectionDeadline()
            set(ended, .milliseconds(1), "ended")
            ended.end()
            // Behind all of them.
            set(ConnectionDeadline(), .milliseconds(60), "last")
        }.get()
        try await eventually(within: 20, "the last one has come") {
            try await loop.submit { state.value.contains("last") }.get()
        }
        #expect(try await loop.submit { state.value }.get() == ["moved", "later", "last"])
        try await loop.shutdownGracefully()
    }
    #endif
}
#endif
