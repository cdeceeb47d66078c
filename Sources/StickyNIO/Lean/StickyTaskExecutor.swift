#if NIO && os(Linux)
internal import NIOCore

/// Runs Swift tasks on the thread of a ``StickyEventLoop``: `Task(executorPreference: loop.taskExecutor) { … }`.
///
/// What such a task does with a channel of the same loop costs no change of threads. It must not block, nor compute
/// for long.
public final class StickyTaskExecutor: TaskExecutor {
    /// Where the tasks run.
    public let loop: StickyEventLoop

    init(_ loop: StickyEventLoop) {
        self.loop = loop
    }

    /// Called by Swift.
    public func enqueue(_ job: consuming ExecutorJob) {
        loop.add(.preferringJob(UnownedJob(job), asUnownedTaskExecutor()))
    }
}

extension StickyEventLoop {
    /// Called by Swift for actors that have the loop as their executor.
    public func enqueue(_ job: consuming ExecutorJob) {
        add(.job(UnownedJob(job)))
    }
}
#endif
