#if NIO
import NIOCore
import NIOHTTP1
import StickyNIO
import StickyServer

// Deadlines, drains and errors.
extension HTTPConnection {
    // MARK: - Deadlines

    /// Sets the time by which the client must have done the next thing. The timer behind it is not moved: it looks at
    /// the time when it fires, so a request costs no scheduling.
    func expect(_ context: ChannelHandlerContext, within time: TimeAmount) {
        deadline = context.eventLoop.now + time
        guard timer == nil else { return }
        startTimer(context, at: deadline)
    }

    func expectNothing() {
        deadline = .distantFuture
    }

    /// While an answer is in progress, the client must keep taking it.
    func expectAnswerTaken(_ context: ChannelHandlerContext) {
        if isBusy, bytesLeft > 0 { expect(context, within: site.limits.answer) }
    }

    private func startTimer(_ context: ChannelHandlerContext, at time: NIODeadline) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: time) { [self] in
            timer = nil
            if deadline == .distantFuture {
                // A sleep: look again when it may be over.
                startTimer(context, at: context.eventLoop.now + site.limits.keepAlive)
            } else if deadline > context.eventLoop.now {
                startTimer(context, at: deadline)
            } else {
                timedOut(context)
            }
        }
    }

    private func timedOut(_ context: ChannelHandlerContext) {
        if case .receiving = state {
            refuse(context, Refusal(.requestTimeout, "The body of the request did not come."))
            flushIfOwed(context)
        } else {
            close(context)
        }
    }

    // MARK: - Draining

    /// Idle connections close; others say so in their answer. One that has asked nothing yet may be about to: its
    /// client would take the end for a failure. The same goes for all when a successor is there, as long as time is.
    func drain(_ context: ChannelHandlerContext, _ request: DrainRequest) {
        guard !isDraining else { return }
        isDraining = true
        guard case .idle = state else { return }
        let chance = site.limits.lastChance
        if request.reason == .replaced {
            let left = TimeAmount(request.deadline - .now)
            wait(context, atMost: max(chance, left - chance))
        } else if requests == 0 {
            wait(context, atMost: chance)
        } else {
            close(context)
        }
    }

    private func wait(_ context: ChannelHandlerContext, atMost time: TimeAmount) {
        deadline = min(deadline, context.eventLoop.now + time)
        timer?.cancel()
        startTimer(context, at: deadline)
    }

    // MARK: - The client's end, and its mistakes

    /// The client has said its last word, and may still listen.
    func inputEnded(_ context: ChannelHandlerContext) {
        inputHasEnded = true
        switch state {
        case .idle where badRequest == nil: close(context)
        case .receiving, .echoing: close(context)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is TLSTruncatedError {
            // The end follows as an event, and says what it cuts.
            return
        }
        guard let error = error as? HTTPParserError, !inputHasEnded else { return close(context) }
        switch state {
        case .closed: break
        case .idle: refuse(context, Self.refusal(error))
        case .answering: badRequest = Self.refusal(error)
        case .receiving: refuse(context, Self.refusal(error))
        case .echoing: close(context)
        }
        flushIfOwed(context)
    }

    private static func refusal(_ error: HTTPParserError) -> Refusal {
        switch error {
        case .headerOverflow: Refusal(.requestHeaderFieldsTooLarge, "The request's header fields are too long.")
        case .invalidVersion: Refusal(.httpVersionNotSupported, "This server speaks HTTP/1.1.")
        default: Refusal(.badRequest, "The request is not HTTP/1.1: \(error).")
        }
    }
}
#endif
