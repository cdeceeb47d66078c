#if NIO
internal import NIOCore

/// Ends a connection so that what was sent arrives.
///
/// A socket that is closed while bytes from the peer are unread, or still coming, answers with RST, and that destroys
/// what the peer has not read yet. So: send everything, shut down our direction, then read and discard until the peer
/// ends its own, for at most ``Limits/linger``; only then close. A peer that takes nothing at all any more is waited
/// for as long as ``Limits/stall``.
final class LingeringClose {
    struct Limits {
        var linger: TimeAmount = .seconds(2)
        var stall: TimeAmount = .seconds(30)
    }

    private enum State {
        case idle, shuttingDown, discarding, closed
    }

    private let limits: Limits
    private var state = State.idle
    private var inputHasEnded = false
    private var promise: EventLoopPromise<Void>?
    private var timer: Scheduled<Void>?

    init(limits: Limits) {
        self.limits = limits
    }

    /// What comes from the peer is of no interest any more.
    var isActive: Bool { state != .idle }

    /// Remembers one more promise for the end of the channel.
    func add(_ other: EventLoopPromise<Void>?) {
        guard let other else { return }
        if state == .closed {
            other.succeed(())
        } else if let promise {
            promise.futureResult.cascade(to: other)
        } else {
            promise = other
        }
    }

    /// Closes the channel if nothing of what waits is taken for a while. `waiting` counts bytes that the channel does
    /// not know of.
    func watchProgress(_ context: ChannelHandlerContext, waiting: @escaping () -> Int) {
        guard timer == nil, state != .closed else { return }
        watch(context, last: outstanding(context, waiting), waiting)
    }

    /// Ends our direction only, when everything has been flushed. `inputEnded`: the peer's stream has ended already.
    func endOutput(_ context: ChannelHandlerContext, inputEnded: Bool, promise: EventLoopPromise<Void>?) {
        if inputEnded {
            // A channel of which both directions are shut down drops what it has not sent, so this waits until it has.
            context.writeAndFlush(NIOAny(ByteBuffer()), promise: promise)
        } else {
            context.close(mode: .output, promise: promise)
        }
    }

    /// Begins, when everything has been flushed. `inputEnded`: the peer's stream has ended already.
    func begin(_ context: ChannelHandlerContext, inputEnded: Bool) {
        guard state == .idle else { return }
        guard context.channel.isActive else { return finish(context) }
        state = .shuttingDown
        inputHasEnded = inputEnded
        let done = context.eventLoop.makePromise(of: Void.self)
        done.futureResult.assumeIsolated().whenComplete { [self] _ in
            if inputHasEnded { finish(context) } else { discard(context) }
        }
        endOutput(context, inputEnded: inputEnded, promise: done)
        if state == .shuttingDown { watchProgress(context) { 0 } }
    }

    /// The peer's stream has ended.
    func inputEnded(_ context: ChannelHandlerContext) {
        inputHasEnded = true
        if state == .discarding { finish(context) }
    }

    /// Closes without patience.
    func abort(_ context: ChannelHandlerContext) {
        finish(context)
    }

    /// The channel has ended, or the handler leaves it: keeps the promises.
    func ended() {
        state = .closed
        timer?.cancel()
        timer = nil
        promise?.succeed(())
        promise = nil
    }

    private func discard(_ context: ChannelHandlerContext) {
        guard state == .shuttingDown else { return }
        state = .discarding
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: limits.linger) { [self] in
            timer = nil
            finish(context)
        }
        context.read()
    }

    private func finish(_ context: ChannelHandlerContext) {
        guard state != .closed else { return }
        state = .closed
        timer?.cancel()
        timer = nil
        let promise = promise
        self.promise = nil
        context.close(mode: .all, promise: promise)
    }

    private func watch(_ context: ChannelHandlerContext, last: Int, _ waiting: @escaping () -> Int) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: limits.stall) { [self] in
            let left = outstanding(context, waiting)
            if left < last { watch(context, last: left, waiting) } else { finish(context) }
        }
    }

    private func outstanding(_ context: ChannelHandlerContext, _ waiting: () -> Int) -> Int {
        waiting() + ((try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0)
    }
}
#endif
