#if NIO && os(Linux)
public import Dispatch
public import NIOCore
internal import Synchronization

// What NIOCore asks of an event loop beyond turning.
extension StickyEventLoop {
    /// Does `task` on the loop. The future fails with what it throws, or with `EventLoopError.shutdown`.
    public func submit<T>(_ task: @escaping @Sendable () throws -> T) -> EventLoopFuture<T> {
        submit(unchecked: task)
    }

    public func _submitIsolatedUnsafeUnchecked<T>(_ task: @escaping () throws -> T) -> EventLoopFuture<T> {
        assertInEventLoop()
        return submit(unchecked: task)
    }

    private func submit<T>(unchecked task: @escaping () throws -> T) -> EventLoopFuture<T> {
        let promise = makePromise(of: T.self)
        let isTaken = add(.task { promise.assumeIsolatedUnsafeUnchecked().completeWith(Result(catching: task)) })
        if !isTaken { promise.fail(EventLoopError.shutdown) }
        return promise.futureResult
    }

    /// Does `task` on the loop when the time has come. Safe on any thread.
    @discardableResult
    public func scheduleTask<T>(
        deadline: NIODeadline,
        _ task: @escaping @Sendable () throws -> T
    ) -> Scheduled<T> {
        schedule(deadline, unchecked: task)
    }

    /// Does `task` on the loop after a while. Safe on any thread.
    @discardableResult
    public func scheduleTask<T>(
        in delay: TimeAmount,
        _ task: @escaping @Sendable () throws -> T
    ) -> Scheduled<T> {
        schedule(.now() + delay, unchecked: task)
    }

    @discardableResult
    public func _scheduleTaskIsolatedUnsafeUnchecked<T>(
        deadline: NIODeadline,
        _ task: @escaping () throws -> T
    ) -> Scheduled<T> {
        assertInEventLoop()
        return schedule(deadline, unchecked: task)
    }

    @discardableResult
    public func _scheduleTaskIsolatedUnsafeUnchecked<T>(
        in delay: TimeAmount,
        _ task: @escaping () throws -> T
    ) -> Scheduled<T> {
        assertInEventLoop()
        return schedule(.now() + delay, unchecked: task)
    }

    private func schedule<T>(_ deadline: NIODeadline, unchecked task: @escaping () throws -> T) -> Scheduled<T> {
        let promise = makePromise(of: T.self)
        let timer = TaskTimer(
            deadline,
            body: { promise.assumeIsolatedUnsafeUnchecked().completeWith(Result(catching: task)) },
            onAbandon: { promise.fail(EventLoopError.shutdown) }
        )
        let isTaken: Bool
        if inEventLoop {
            set(timer)
            isTaken = true
        } else {
            isTaken = add(.task { [self] in set(timer) })
        }
        if !isTaken { promise.fail(EventLoopError.shutdown) }
        return Scheduled(promise: promise) { [self] in
            if inEventLoop { forget(timer) } else { execute { [self] in forget(timer) } }
        }
    }

    private func forget(_ timer: TaskTimer) {
        cancel(timer)
        timer.forget()
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

    /// Ends the process when the caller is not on the loop's thread, as NIO's loops do.
    public func preconditionInEventLoop(file: StaticString, line: UInt) {
        precondition(inEventLoop, "not on \(self)", file: file, line: line)
    }

    /// Ends the process when the caller is on the loop's thread, where waiting would never end.
    public func preconditionNotInEventLoop(file: StaticString, line: UInt) {
        precondition(!inEventLoop, "on \(self), where nothing may wait", file: file, line: line)
    }

    // MARK: - For the search of leaked promises, in debug builds only

    public func _promiseCreated(futureIdentifier: _NIOEventLoopFutureIdentifier, file: StaticString, line: UInt) {
        promises.withLock { $0[futureIdentifier] = PromiseOrigin(file: file, line: line) }
    }

    public func _promiseCompleted(
        futureIdentifier: _NIOEventLoopFutureIdentifier
    ) -> (file: StaticString, line: UInt)? {
        promises.withLock { $0.removeValue(forKey: futureIdentifier) }.map { ($0.file, $0.line) }
    }

    // MARK: - A group of one

    /// The loop itself.
    public func next() -> any EventLoop { self }

    /// The loop itself.
    public func any() -> any EventLoop { self }

    /// The loop itself.
    public func makeIterator() -> EventLoopIterator { EventLoopIterator([self]) }

    public func _preconditionSafeToSyncShutdown(file: StaticString, line: UInt) {
        preconditionNotInEventLoop(file: file, line: line)
    }

    /// Closes every connection at once, does what is waiting, fails timers with `EventLoopError.shutdown` and ends the
    /// thread. The callback is called on `queue` when that has happened.
    public func shutdownGracefully(
        queue: DispatchQueue,
        _ callback: @escaping @Sendable ((any Error)?) -> Void
    ) {
        let waits = ending.withLock { $0.add { queue.async { callback(nil) } } }
        guard waits else { return queue.async { callback(nil) } }
        execute { [self] in beginStopping() }
    }
}

/// Where a promise was made.
struct PromiseOrigin: Sendable {
    let file: StaticString
    let line: UInt
}

/// Who waits for a loop's end.
struct LoopEnding: Sendable {
    private var waiting: [@Sendable () -> Void] = []
    private var hasEnded = false

    mutating func add(_ action: @escaping @Sendable () -> Void) -> Bool {
        if !hasEnded { waiting.append(action) }
        return !hasEnded
    }

    mutating func end() -> [@Sendable () -> Void] {
        hasEnded = true
        defer { waiting = [] }
        return waiting
    }
}
#endif
