#if Hummingbird
/// The tasks that serve connections and streams. They are children of the server's place among the application's services,
/// so a handler hears of a graceful shutdown as it does under Hummingbird's own server.
final class ConnectionTasks: Sendable {
    private struct Job: Sendable {
        let executor: (any TaskExecutor)?
        let work: @Sendable () async -> Void
    }

    private let jobs: AsyncStream<Job>
    private let continuation: AsyncStream<Job>.Continuation

    init() {
        (jobs, continuation) = AsyncStream.makeStream()
    }

    /// Safe on any thread. What comes before ``run(on:)`` waits for it.
    func start(on executor: (any TaskExecutor)?, _ work: @escaping @Sendable () async -> Void) {
        continuation.yield(Job(executor: executor, work: work))
    }

    /// No more connections come, and no more streams.
    func end() {
        continuation.finish()
    }

    /// Runs the tasks. Returns after ``end()``, when the last one has returned.
    func run(on executor: (any TaskExecutor)?) async {
        await withTaskExecutorPreference(executor) {
            await withDiscardingTaskGroup { group in
                for await job in jobs { group.addTask(executorPreference: job.executor, operation: job.work) }
            }
        }
    }
}
#endif
