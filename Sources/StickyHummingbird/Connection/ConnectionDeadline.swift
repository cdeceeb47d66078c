#if Hummingbird
internal import NIOCore

/// A deadline that is moved often and missed seldom. The timer behind it is not moved with it: it looks at the time when
/// it fires, so a request costs no scheduling. On one event loop only.
struct ConnectionDeadline {
    private final class State {
        var time = NIODeadline.distantFuture
        var due = NIODeadline.distantFuture
        var timer: Scheduled<Void>?
    }

    private let state = State()

    var time: NIODeadline { state.time }
    var isSet: Bool { state.time != .distantFuture }

    /// Sets the deadline. True if no timer runs that would notice it: start one.
    func move(to time: NIODeadline) -> Bool {
        state.time = time
        return state.timer == nil || state.due > time
    }

    /// Calls `action` when the deadline has come, unless it is moved or cleared before.
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
        state.timer?.cancel()
        state.timer = nil
    }

    private static func start(_ state: State, _ loop: any EventLoop, _ action: @escaping () -> Void) {
        state.timer?.cancel()
        state.due = state.time
        state.timer = loop.assumeIsolated().scheduleTask(deadline: state.time) {
            state.timer = nil
            if state.time == .distantFuture { return }
            if state.time > loop.now { return start(state, loop, action) }
            state.time = .distantFuture
            action()
        }
    }
}
#endif
