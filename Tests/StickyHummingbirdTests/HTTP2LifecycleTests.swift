#if Hummingbird
import NIOHTTP2
@testable import StickyHummingbird
import Testing

@Suite("The life of an HTTP/2 connection")
struct HTTP2LifecycleTests {
    private let ping = HTTP2PingData(withInteger: 7)

    @Test("Leaves in two steps: warned, then told the last stream, closed with it")
    func leave() {
        var life = HTTP2Lifecycle()
        life.streamOpened(1)
        #expect(life.leave(ping) == .warn(ping))
        #expect(life.leave(ping) == .none)
        // On its way when the client was warned.
        life.streamOpened(3)
        #expect(life.streamClosed() == .none)
        #expect(life.pingAnswered(HTTP2PingData(withInteger: 8)) == .none)
        #expect(life.pingAnswered(ping) == .goAway(last: 3))
        #expect(life.pingAnswered(ping) == .none)
        #expect(life.patienceEnded() == .none)
        #expect(life.streamClosed() == .close)
        #expect(life.isClosed)
    }

    @Test("Closes with the second step when nothing is open")
    func leaveIdle() {
        var life = HTTP2Lifecycle()
        life.streamOpened(1)
        #expect(life.streamClosed() == .none)
        #expect(life.leave(ping) == .warn(ping))
        #expect(life.pingAnswered(ping) == .goAwayAndClose(last: 1))
        #expect(life.isClosed)
    }

    @Test("Streams that end while the client is warned do not close the connection")
    func warned() {
        var life = HTTP2Lifecycle()
        life.streamOpened(1)
        _ = life.leave(ping)
        #expect(life.streamClosed() == .none)
        #expect(!life.isClosed)
        #expect(life.isWarned)
    }

    @Test("Patience ends as the answer to PING would")
    func patience() {
        var life = HTTP2Lifecycle()
        life.streamOpened(1)
        life.streamOpened(5)
        _ = life.leave(ping)
        #expect(life.patienceEnded() == .goAway(last: 5))
        #expect(life.pingAnswered(ping) == .none)
        #expect(life.streamClosed() == .none)
        #expect(life.streamClosed() == .close)
    }

    @Test("A connection without a request is told stream 0")
    func nothing() {
        var life = HTTP2Lifecycle()
        _ = life.leave(ping)
        #expect(life.patienceEnded() == .goAwayAndClose(last: .rootStream))
    }

    @Test("A half-closed client gets its answers")
    func halfClosed() {
        var life = HTTP2Lifecycle()
        life.streamOpened(1)
        #expect(life.inputEnded() == .none)
        #expect(life.leave(ping) == .none)
        #expect(life.streamClosed() == .close)

        var idle = HTTP2Lifecycle()
        #expect(idle.inputEnded() == .close)
        #expect(idle.inputEnded() == .none)
    }

    @Test("Nothing happens after the end")
    func closed() {
        var life = HTTP2Lifecycle()
        life.streamOpened(1)
        life.closed()
        #expect(life.streamClosed() == .none)
        #expect(life.leave(ping) == .none)
        #expect(life.pingAnswered(ping) == .none)
        #expect(life.patienceEnded() == .none)
        #expect(life.inputEnded() == .none)
        #expect(life.streamClosed() == .none)
        #expect(life.openStreams == 0)
    }
}
#endif
