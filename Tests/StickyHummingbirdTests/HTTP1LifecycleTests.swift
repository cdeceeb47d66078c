#if Hummingbird
@testable import StickyHummingbird
import StickyServer
import Testing

@Suite("The life of an HTTP/1.1 connection")
struct HTTP1LifecycleTests {
    /// A request that has come whole.
    private func request(_ life: inout HTTP1Lifecycle, isKeepAlive: Bool = true) -> Bool {
        guard life.requestHead(isKeepAlive: isKeepAlive) else { return false }
        life.requestEnd()
        return true
    }

    @Test("A connection goes on from request to request")
    func keepAlive() {
        var life = HTTP1Lifecycle()
        #expect(life.expectation == .firstRequest)
        for _ in 0..<3 {
            #expect(life.requestHead(isKeepAlive: true) == true)
            #expect(life.expectation == .body)
            life.requestEnd()
            #expect(life.expectation == .nothing)
            #expect(life.responseHead(isInformational: false, saysClose: false) == false)
            #expect(life.responseEnd() == .none)
            #expect(life.expectation == .nextRequest)
        }
        #expect(life.requests == 3)
    }

    @Test("A client that says close gets close, and nothing behind it is answered")
    func clientSaysClose() {
        var life = HTTP1Lifecycle()
        #expect(request(&life, isKeepAlive: false) == true)
        #expect(request(&life) == false)
        #expect(life.responseHead(isInformational: false, saysClose: false) == true)
        #expect(life.responseEnd() == .close)
        #expect(life.isClosing)
        #expect(life.expectation == .nothing)
        #expect(request(&life) == false)
    }

    @Test("An application that says close is obeyed")
    func applicationSaysClose() {
        var life = HTTP1Lifecycle()
        #expect(request(&life) == true)
        #expect(life.responseHead(isInformational: false, saysClose: true) == true)
        #expect(life.responseEnd() == .close)
    }

    @Test("After the greatest number of requests the answer says close")
    func limit() {
        var life = HTTP1Lifecycle(maximumRequests: 2)
        #expect(request(&life) == true)
        #expect(life.responseHead(isInformational: false, saysClose: false) == false)
        #expect(life.responseEnd() == .none)
        #expect(request(&life) == true)
        #expect(request(&life) == false)
        #expect(life.responseHead(isInformational: false, saysClose: false) == true)
        #expect(life.responseEnd() == .close)
    }

    @Test("Of pipelined requests only the last answer says close")
    func pipelining() {
        var life = HTTP1Lifecycle()
        #expect(request(&life) == true)
        #expect(request(&life) == true)
        #expect(request(&life, isKeepAlive: false) == true)
        for _ in 0..<2 {
            #expect(life.responseHead(isInformational: false, saysClose: false) == false)
            #expect(life.responseEnd() == .none)
        }
        #expect(life.responseHead(isInformational: false, saysClose: false) == true)
        #expect(life.responseEnd() == .close)
    }

    @Test("1xx answers decide nothing")
    func informational() {
        var life = HTTP1Lifecycle()
        #expect(life.requestHead(isKeepAlive: false) == true)
        #expect(life.responseHead(isInformational: true, saysClose: false) == false)
        life.requestEnd()
        #expect(life.responseHead(isInformational: false, saysClose: false) == true)
    }

    @Test("A drain lets the answer in progress finish, and it says close")
    func drainInProgress() {
        for reason in [DrainRequest.Reason.stopping, .masterGone] {
            var life = HTTP1Lifecycle()
            #expect(request(&life) == true)
            #expect(life.drain(reason) == .none)
            #expect(life.responseHead(isInformational: false, saysClose: false) == true)
            #expect(life.responseEnd() == .close)
        }
    }

    @Test("A drain after the answer's head closes behind the answer, without having said so")
    func drainBehindHead() {
        var life = HTTP1Lifecycle()
        #expect(request(&life) == true)
        #expect(life.responseHead(isInformational: false, saysClose: false) == false)
        #expect(life.drain(.stopping) == .none)
        #expect(life.responseEnd() == .close)
    }

    @Test("An idle connection closes at once when the server stops, and has one more request when it is replaced")
    func drainIdle() {
        var stopping = HTTP1Lifecycle()
        #expect(request(&stopping) == true)
        _ = stopping.responseHead(isInformational: false, saysClose: false)
        _ = stopping.responseEnd()
        var replaced = stopping
        #expect(stopping.drain(.stopping) == .close)
        #expect(replaced.drain(.replaced) == .waitForOneMore)
        #expect(replaced.drain(.stopping) == .none)
        #expect(request(&replaced) == true)
        #expect(replaced.responseHead(isInformational: false, saysClose: false) == true)
        #expect(replaced.responseEnd() == .close)
    }

    @Test("A connection that has asked nothing yet may ask once")
    func drainFresh() {
        var life = HTTP1Lifecycle()
        #expect(life.drain(.stopping) == .waitForOneMore)
        #expect(request(&life) == true)
        #expect(life.responseHead(isInformational: false, saysClose: false) == true)
        #expect(life.responseEnd() == .close)
    }

    @Test("A half-closed client gets its answers, the last one with close")
    func halfClosed() {
        var life = HTTP1Lifecycle()
        #expect(request(&life) == true)
        #expect(request(&life) == true)
        life.inputEnded()
        #expect(life.responseHead(isInformational: false, saysClose: false) == false)
        #expect(life.responseEnd() == .none)
        #expect(life.responseHead(isInformational: false, saysClose: false) == true)
        #expect(life.responseEnd() == .close)
    }

    @Test("More answers than requests do no harm")
    func tooManyAnswers() {
        var life = HTTP1Lifecycle()
        #expect(life.responseEnd() == .none)
        #expect(life.unanswered == 0)
    }
}
#endif
