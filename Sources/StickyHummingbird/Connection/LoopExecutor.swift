#if Hummingbird
internal import NIOCore
internal import StickyNIO

/// Runs Swift tasks on an event loop: what a request's task does with its channel costs no change of threads.
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    private init(_ loop: any EventLoop) {
        self.loop = loop
    }

    /// The executor of a loop: its own, where it has one.
    static func make(_ loop: any EventLoop) -> any TaskExecutor {
        #if os(Linux)
        if let loop = loop as? StickyEventLoop { return loop.taskExecutor }
        #endif
        return LoopExecutor(loop)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
#endif
