#if Hummingbird
internal import Synchronization

/// The tasks that serve connections and streams. They are children of the server's place among the application's services,
/// so a handler hears of a graceful shutdown as it does under Hummingbird's own server.
final class ConnectionTasks: Sendable {
    private struct Job: Sendable {
        let executor: (any TaskExecutor)?
        let work: @Sendable () async -> Void
    }

    private struct State: Sendable {
        var jobs: [Job] = []
        var waiting: UnsafeContinuation<Void, Never>?
        var hasEnded = false
    }

    private let state = Mutex(State())

    /// Safe on any thread. What comes before ``run(on:)`` waits for it; what comes after ``end()`` is forgotten.
    func start(on executor: (any TaskExecutor)?, _ work: @escaping @Sendable () async -> Void) {
        let waiting = state.withLock { state in
            if !state.hasEnded { state.jobs.append(Job(executor: executor, work: work)) }
            return state.waiting.take()
        }
        waiting?.resume()
    }

    /// No more connections come, and no more streams.
    func end() {
        let waiting = state.withLock { state in
            state.hasEnded = true
            return state.waiting.take()
        }
        waiting?.resume()
    }

    /// Runs the tasks. Returns after ``end()``, when the last one has returned.
    func run(on executor: (any TaskExecutor)?) async {
        await withTaskExecutorPreference(executor) {
            await withDiscardingTaskGroup { group in
                while let jobs = await next() {
                    for job in jobs { group.addTask(executorPreference: job.executor, operation: job.work) }
                }
            }
        }
    }

    /// Whatever has come since. Nil at the end, and when the task is cancelled.
    private func next() async -> [Job]? {
        await withTaskCancellationHandler {
            while true {
                let (jobs, hasEnded) = state.withLock { state in
                    defer { state.jobs.removeAll(keepingCapacity: true) }
                    return (state.jobs, state.hasEnded)
                }
                if !jobs.isEmpty { return jobs }
                if hasEnded { return nil }
                await withUnsafeContinuation { continuation in
                    let goesOn = state.withLock { state in
                        guard state.jobs.isEmpty, !state.hasEnded else { return true }
                        state.waiting = continuation
                        return false
                    }
                    if goesOn { continuation.resume() }
                }
            }
        } onCancel: {
            end()
        }
    }
}
#endif
