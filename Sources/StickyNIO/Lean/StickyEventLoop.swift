#if NIO && os(Linux)
internal import CStickyNIO
internal import Glibc
public import NIOCore
internal import StickyServer
internal import Synchronization

/// An event loop that does only what a worker needs: one thread, one epoll set, and the sockets that were handed to
/// this process. A complete `EventLoop` for everything written against NIOCore: tasks, timers, futures and Swift
/// concurrency. It opens no sockets of its own, so NIOPosix's bootstraps do not take it.
///
/// ``taskExecutor`` runs Swift tasks on the loop's thread, next to the channels that they read and write:
/// `Task(executorPreference: loop.taskExecutor) { … }`.
///
/// Unchecked: what is not `let`, atomic or in the mailbox is only touched on the loop's own thread, which every method
/// that does so is called on or makes sure of.
public final class StickyEventLoop: NIOSerialEventLoopExecutor, @unchecked Sendable {
    private static let eventCapacity = 128
    /// Bounds of one turn, so that tasks, timers and sockets all have theirs.
    private static let mostWork = 4096

    private let epoll: OwnedDescriptor
    private let bell: OwnedDescriptor
    let mailbox = LoopMailbox()
    let ending = Mutex(LoopEnding())
    let promises = Mutex<[_NIOEventLoopFutureIdentifier: PromiseOrigin]>([:])
    private let thread = Atomic<UInt>(0)
    private let name: String

    // Of the loop's thread from here. Unchecked, because each turn touches them: no access lasts over a call to others.
    @exclusivity(unchecked) private var work: [LoopWork] = []
    @exclusivity(unchecked) private var spareWork: [LoopWork] = []
    @exclusivity(unchecked) private var spareMail: [LoopWork] = []
    @exclusivity(unchecked) private var timers = TimerHeap()
    private var events: UnsafeMutablePointer<sticky_epoll_event>
    @exclusivity(unchecked) private var sources = SourceTable()
    @exclusivity(unchecked) private var unfinished: [any LoopSource] = []
    @exclusivity(unchecked) private var unsettled: [any LoopSource] = []
    @exclusivity(unchecked) private var handshakes = HandshakeTurns<any LoopSource>()
    private var isStopping = false
    private var hasEnded = false
    private var succeeded: EventLoopFuture<Void>?
    /// What the connections of the loop share.
    let shared = LoopResources()

    /// Starts the loop's thread. Throws the system's error when there are no descriptors or threads left.
    public convenience init() throws {
        try self.init(name: "sticky-loop")
    }

    init(name: String) throws {
        let epoll = sticky_epoll_create()
        guard epoll >= 0 else { throw IOError(errnoCode: -epoll, reason: "epoll_create1") }
        self.epoll = OwnedDescriptor(owning: epoll)
        let bell = sticky_eventfd()
        guard bell >= 0 else { throw IOError(errnoCode: -bell, reason: "eventfd") }
        self.bell = OwnedDescriptor(owning: bell)
        self.name = name
        events = .allocate(capacity: Self.eventCapacity)
        // Edge-triggered, so that nobody need read it.
        let status = sticky_epoll_add(epoll, bell, STICKY_EPOLL_IN | STICKY_EPOLL_EDGE, SourceTable.bell, 0)
        guard status == 0 else { throw IOError(errnoCode: -status, reason: "epoll_ctl") }
        guard DedicatedThread.start(name, { [self] in run() }) else {
            throw IOError(errnoCode: EAGAIN, reason: "pthread_create")
        }
    }

    deinit {
        events.deallocate()
    }

    /// Whether the caller is on the loop's thread.
    public var inEventLoop: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    // MARK: - Work

    /// Does `task` on the loop, after what was given before. Safe on any thread. Forgotten when the loop has ended.
    public func execute(_ task: @escaping @Sendable () -> Void) {
        add(.task(task))
    }

    /// False when the loop has ended.
    @discardableResult
    func add(_ item: LoopWork) -> Bool {
        if inEventLoop {
            guard !hasEnded else { return false }
            work.append(item)
            return true
        }
        switch mailbox.add(item) {
        case .first: sticky_eventfd_ring(bell.number)
        case .more: break
        case .closed: return false
        }
        return true
    }

    /// As ``execute(_:)``, for a closure that never leaves the loop.
    public func _executeIsolatedUnsafeUnchecked(_ task: @escaping () -> Void) {
        assertInEventLoop()
        add(.task(task))
    }

    // MARK: - Timers, on the loop

    func set(_ timer: LoopTimer) {
        if hasEnded { timer.abandon() } else { timers.insert(timer) }
    }

    func set(_ timer: LoopTimer, at deadline: NIODeadline) {
        if !hasEnded { timers.set(timer, at: deadline) }
    }

    func cancel(_ timer: LoopTimer) {
        timers.cancel(timer)
    }

    func unset(_ timer: LoopTimer) {
        timers.remove(timer)
    }

    // MARK: - Sources, on the loop

    /// Watches a descriptor. Returns its place; nil, and `errno` set, when the system cannot. With STICKY_EPOLL_EDGE
    /// among the events only changes are told.
    func watch(_ source: any LoopSource, _ descriptor: CInt, _ events: UInt32) -> SourceTable.Place? {
        let place = sources.add(source)
        let status = sticky_epoll_add(epoll.number, descriptor, events, place.index, place.generation)
        guard status == 0 else {
            sources.remove(place)
            errno = -status
            return nil
        }
        return place
    }

    func rewatch(_ place: SourceTable.Place, _ descriptor: CInt, _ events: UInt32) {
        _ = sticky_epoll_modify(epoll.number, descriptor, events, place.index, place.generation)
    }

    /// Before the descriptor is closed: another process may still hold the socket, and the set would keep it.
    func unwatch(_ place: SourceTable.Place, _ descriptor: CInt) {
        _ = sticky_epoll_delete(epoll.number, descriptor)
        sources.remove(place)
    }

    /// The source has more to do, and waits until others have had their turn.
    func goOnLater(_ source: any LoopSource) {
        unfinished.append(source)
    }

    /// The source may have a handshake to go on with, and waits until established connections have had their turn.
    func shakeHandsLater(_ source: any LoopSource) {
        handshakes.append(source)
    }

    /// The source wants to be told when the work of this turn is done.
    func settleLater(_ source: any LoopSource) {
        unsettled.append(source)
    }

    // MARK: - Turning

    private func run() {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        while !hasEnded { turn() }
        // Nobody is on the loop any more.
        thread.store(0, ordering: .relaxed)
        executor.withLock { $0 = nil }
        for ended in ending.withLock({ $0.end() }) { ended() }
    }

    private func turn() {
        waitForEvents()
        if !unfinished.isEmpty {
            let sources = unfinished
            unfinished.removeAll(keepingCapacity: true)
            for source in sources { source.goOn() }
        }
        settle()
        fireTimers()
        shakeHands()
        var budget = Self.mostWork
        repeat {
            budget -= doWork()
            settle()
        } while budget > 0 && (!work.isEmpty || mailbox.hasMail)
        if isStopping { stop() }
    }

    private func waitForEvents() {
        let count = sticky_epoll_wait(epoll.number, events, CInt(Self.eventCapacity), timeout())
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            let event = events[index]
            guard event.low != SourceTable.bell else { continue }
            let place = SourceTable.Place(index: event.low, generation: event.high)
            // The one that was there may have gone in this very turn.
            sources[place]?.ready(event.events)
        }
    }

    private func timeout() -> CInt {
        guard work.isEmpty, unfinished.isEmpty, unsettled.isEmpty, handshakes.isEmpty, !isStopping,
            !mailbox.hasMail
        else { return 0 }
        guard let first = timers.first else { return -1 }
        let left = (first.deadline - NIODeadline.now()).nanoseconds
        return left <= 0 ? 0 : CInt(clamping: (left + 999_999) / 1_000_000)
    }

    private func shakeHands() {
        handshakes.begin()
        while let source = handshakes.next() { source.goOn() }
    }

    /// A source went on with its handshake.
    func didShakeHands() { handshakes.didShakeHands() }

    private func fireTimers() {
        guard let first = timers.first else { return }
        let now = NIODeadline.now()
        guard first.deadline <= now else { return }
        var budget = Self.mostWork
        while budget > 0, let first = timers.first, first.deadline <= now {
            budget -= 1
            _ = timers.popFirst()
            first.fire()
        }
        settle()
    }

    private func doWork() -> Int {
        if mailbox.hasMail {
            mailbox.take(into: &spareMail)
            work.append(contentsOf: spareMail)
            spareMail.removeAll(keepingCapacity: true)
        }
        guard !work.isEmpty else { return 0 }
        let items = work
        work = spareWork
        for item in items { perform(item) }
        let count = items.count
        spareWork = items
        spareWork.removeAll(keepingCapacity: count <= 1024)
        return count
    }

    private func perform(_ item: LoopWork) {
        switch item {
        case .task(let task): task()
        case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
        case .preferringJob(let job, let executor): job.runSynchronously(on: executor)
        }
    }

    private func settle() {
        while !unsettled.isEmpty {
            let sources = unsettled
            unsettled.removeAll(keepingCapacity: true)
            for source in sources { source.settle() }
        }
    }

    // MARK: - The end

    /// Closes everything and lets the thread end. On the loop.
    func beginStopping() {
        guard !isStopping else { return }
        isStopping = true
        for source in sources.all { source.loopEnds() }
    }

    private func stop() {
        guard work.isEmpty, unfinished.isEmpty, unsettled.isEmpty, handshakes.isEmpty else { return }
        for source in sources.all { source.loopEnds() }
        while let timer = timers.popFirst() { timer.abandon() }
        guard work.isEmpty, sources.isEmpty, mailbox.close() else { return }
        hasEnded = true
        // It refers to the loop.
        succeeded = nil
    }

    /// A future that has succeeded: on the loop always the same one.
    public func makeSucceededVoidFuture() -> EventLoopFuture<Void> {
        let isHere = inEventLoop && !hasEnded
        if isHere, let succeeded { return succeeded }
        // Not `makeSucceededFuture`, which asks this method.
        let promise = makePromise(of: Void.self)
        promise.succeed(())
        if isHere { succeeded = promise.futureResult }
        return promise.futureResult
    }

    /// Runs Swift tasks on the loop.
    public var taskExecutor: StickyTaskExecutor {
        executor.withLock { executor in
            if let executor { return executor }
            let made = StickyTaskExecutor(self)
            executor = made
            return made
        }
    }
    // It refers to the loop, until the loop ends.
    private let executor = Mutex<StickyTaskExecutor?>(nil)
}

extension StickyEventLoop: CustomStringConvertible {
    /// The loop's name.
    public var description: String { "StickyEventLoop(\(name))" }
}
#endif
