#if NIO
internal import NIOCore

/// The ``HandshakeTurns`` of a stock event loop. Lives on that loop.
///
/// What a loop's poll has found for established connections is served before the tasks of the turn, of which this is
/// one.
final class HandshakeQueue {
    private struct Waiting {
        let handler: OpenSSLServerHandler
        let context: ChannelHandlerContext
    }

    private var turns = HandshakeTurns<Waiting>()
    private var isComing = false

    /// The handler has bytes of a handshake.
    func append(_ handler: OpenSSLServerHandler, _ context: ChannelHandlerContext) {
        turns.append(Waiting(handler: handler, context: context))
        guard !isComing else { return }
        isComing = true
        let loop = context.eventLoop
        loop.assumeIsolated().execute { [self] in takeTurn(loop) }
    }

    private func takeTurn(_ loop: any EventLoop) {
        turns.begin()
        while let waiting = turns.next() {
            turns.didShakeHands()
            waiting.handler.takeTurn(waiting.context)
        }
        guard !turns.isEmpty else {
            isComing = false
            return
        }
        // NIO runs tasks, and those that they add, until there are none, and only then looks at the sockets again. A
        // moment later is after that.
        loop.assumeIsolated().scheduleTask(in: .microseconds(20)) { [self] in takeTurn(loop) }
    }
}
#endif
