#if NIO && os(Linux)
internal import CStickyNIO
internal import NIOCore
package import StickyServer

/// The control socket and the wake pipe of a worker, watched by the loop that serves its connections: a socket that is
/// handed over is read from in the same turn, and no second thread runs.
final class ControlSource: LoopSource {
    // Not by edges: what one step leaves is told again.
    private static let inputEvents = STICKY_EPOLL_IN | STICKY_EPOLL_RDHUP

    private let control: ControlLoop
    private let loop: StickyEventLoop
    private let onEnd: @Sendable () -> Void
    private lazy var timer = ControlTimer(self)
    private lazy var wake = WakeSource(self)
    private var watchesOutput = false
    private var places: (control: SourceTable.Place, wake: SourceTable.Place)?
    private var masterIsGone = false
    /// What the worker accepts from by itself.
    private var accepting: [(source: AcceptSource, place: SourceTable.Place)] = []

    init(_ control: ControlLoop, on loop: StickyEventLoop, onEnd: @escaping @Sendable () -> Void) {
        self.control = control
        self.loop = loop
        self.onEnd = onEnd
    }

    /// On the loop. Ends at once when the system has no memory to watch two more descriptors.
    func start() {
        guard let first = loop.watch(self, control.controlDescriptor, Self.inputEvents) else { return onEnd() }
        guard let second = loop.watch(wake, control.wakeDescriptor, STICKY_EPOLL_IN) else {
            loop.unwatch(first, control.controlDescriptor)
            return onEnd()
        }
        places = (first, second)
        control.willStopAccepting = { [unowned self] in stopAccepting() }
        // What came before the descriptors were watched.
        step(isWoken: true, hasFrames: true)
    }

    func ready(_ events: UInt32) {
        step(isWoken: false, hasFrames: events & ~STICKY_EPOLL_OUT != 0)
    }

    fileprivate func step(isWoken: Bool, hasFrames: Bool) {
        guard places != nil else { return }
        control.step(isWoken: isWoken, hasFrames: hasFrames)
        afterStep()
    }

    fileprivate func accept() {
        guard places != nil else { return }
        control.acceptConnections()
        afterStep()
    }

    private func afterStep() {
        guard !control.isFinished else { return end() }
        if control.isConnected { watchOutput() } else { forgetMaster() }
        watchAccepting()
        let timeout = control.timeout
        if timeout >= 0 {
            loop.set(timer, at: .now() + .milliseconds(Int64(timeout)))
        } else if timer.isSet {
            loop.unset(timer)
        }
    }

    /// Only while something waits: every frame that the master reads would wake the loop.
    private func watchOutput() {
        guard let places, control.hasOutbound != watchesOutput else { return }
        watchesOutput.toggle()
        let events = Self.inputEvents | (watchesOutput ? STICKY_EPOLL_OUT : 0)
        loop.rewatch(places.control, control.controlDescriptor, events)
    }

    private func watchAccepting() {
        let wanted = control.acceptDescriptors
        guard !wanted.elementsEqual(accepting.lazy.map(\.source.descriptor)) else { return }
        stopAccepting()
        for descriptor in wanted {
            let source = AcceptSource(self, descriptor)
            // Without memory for it the others still bring connections.
            guard let place = loop.watch(source, descriptor, STICKY_EPOLL_IN) else { continue }
            accepting.append((source, place))
        }
    }

    private func stopAccepting() {
        for (source, place) in accepting { loop.unwatch(place, source.descriptor) }
        accepting = []
    }

    /// The end of the control socket would be told again and again.
    private func forgetMaster() {
        guard let places, !masterIsGone else { return }
        masterIsGone = true
        loop.unwatch(places.control, control.controlDescriptor)
    }

    private func end() {
        loopEnds()
        onEnd()
    }

    func loopEnds() {
        guard let places else { return }
        self.places = nil
        loop.unset(timer)
        stopAccepting()
        if !masterIsGone { loop.unwatch(places.control, control.controlDescriptor) }
        loop.unwatch(places.wake, control.wakeDescriptor)
    }

    func goOn() {}
    func settle() {}
}

/// The wake pipe's place in the loop.
private final class WakeSource: LoopSource {
    private unowned let control: ControlSource

    init(_ control: ControlSource) {
        self.control = control
    }

    func ready(_ events: UInt32) { control.step(isWoken: true, hasFrames: false) }
    func goOn() {}
    func settle() {}
    func loopEnds() { control.loopEnds() }
}

/// A listener's place in the loop, with kernel steering.
private final class AcceptSource: LoopSource {
    let descriptor: CInt
    private unowned let control: ControlSource

    init(_ control: ControlSource, _ descriptor: CInt) {
        self.control = control
        self.descriptor = descriptor
    }

    func ready(_ events: UInt32) { control.accept() }
    func goOn() {}
    func settle() {}
    func loopEnds() { control.loopEnds() }
}

private final class ControlTimer: LoopTimer, @unchecked Sendable {
    private unowned let control: ControlSource

    init(_ control: ControlSource) {
        self.control = control
        super.init(.distantFuture)
    }

    override func fire() { control.step(isWoken: false, hasFrames: false) }
}

extension NIOConnectionHandler: ControlDriver {
    package func drive(
        _ make: @escaping @Sendable () -> ControlLoop,
        onEnd: @escaping @Sendable () -> Void
    ) -> Bool {
        guard let loop = onlyLoop as? StickyEventLoop else { return false }
        loop.execute { ControlSource(make(), on: loop, onEnd: onEnd).start() }
        return true
    }
}
#endif
