#if Hummingbird
internal import NIOCore
internal import StickyNIO

/// A deadline that is moved often and missed seldom. The timer behind it is not moved with it: it looks at the time when
/// it fires, so a request costs no scheduling. On one event loop only.
struct ConnectionDeadline {
    private final class State {
        var time = NIODeadline.distantFuture
        /// When the timer fires; nil while none runs.
        var due: NIODeadline?
        var timer: Timer?
    }

    private enum Timer {
        #if os(Linux)
        case repeated(RepeatedTimer, StickyEventLoop)
        #endif
        case scheduled(Scheduled<Void>)
    }

    private let state = State()

    var time: NIODeadline { state.time }
    var isSet: Bool { state.time != .distantFuture }

    /// Sets the deadline. True if no timer runs that would notice it: start one.
    func move(to time: NIODeadline) -> Bool {
        state.time = time
        return state.due.map { $0 > time } ?? true
    }

    /// Calls `action` when the deadline has come, unless it is moved or cleared before. Always the same action.
    func startTimer(on loop: any EventLoop, _ action: @escaping () -> Void) {
        Self.start(state, loop, action)
    }

    /// Nothing is waited for.
    func clear() {
        state.time = .distantFuture
    }

    /// The connection has ended.
    func end() {
        state.time = .distantFuture
        Self.stop(state)
        state.timer = nil
    }

    private static func stop(_ state: State) {
        state.due = nil
        switch state.timer {
        #if os(Linux)
        case .repeated(let timer, let loop): loop.stop(timer)
        #endif
        case .scheduled(let timer): timer.cancel()
        case nil: break
        }
    }

    private static func start(_ state: State, _ loop: any EventLoop, _ action: @escaping () -> Void) {
        stop(state)
        state.due = state.time
        #if os(Linux)
        if case .repeated(let timer, let loop) = state.timer { return loop.start(timer, at: state.time) }
        if let loop = loop as? StickyEventLoop {
            let timer = RepeatedTimer { fired(state, loop, action) }
            state.timer = .repeated(timer, loop)
            return loop.start(timer, at: state.time)
        }
        #endif
        state.timer = .scheduled(
            loop.assumeIsolated().scheduleTask(deadline: state.time) { fired(state, loop, action) }
        )
    }

    private static func fired(_ state: State, _ loop: any EventLoop, _ action: @escaping () -> Void) {
        state.due = nil
        if state.time == .distantFuture { return }
        if state.time > loop.now { return start(state, loop, action) }
        state.time = .distantFuture
        action()
    }
}
#endif
