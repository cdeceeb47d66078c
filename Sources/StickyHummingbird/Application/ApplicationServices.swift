#if Hummingbird
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization

/// Runs an application's services as Hummingbird does: all of them, then what must happen before the server starts,
/// then the server; and at the end the server first, then the others in the reverse of their order.
final class ApplicationServices: Sendable {
    private let group: ServiceGroup
    private let server: ServerService
    private let running = Mutex<Task<Void, any Error>?>(nil)

    init(_ app: some ApplicationProtocol, tasks: ConnectionTasks, executor: (any TaskExecutor)?) {
        server = ServerService(
            before: app.processesRunBeforeServerStart,
            onRunning: {
                let standIn = try await StandInChannel.make(app.eventLoopGroup)
                if let standIn { await app.onServerRunning(standIn) }
                return standIn
            },
            tasks: tasks,
            executor: executor
        )
        group = ServiceGroup(configuration: .init(services: app.services + [server], logger: app.logger))
    }

    /// Returns when the server may start. `onEnd` is called when the services have ended, for whatever reason.
    func start(onEnd: @escaping @Sendable () -> Void) async throws {
        let (started, start) = AsyncThrowingStream.makeStream(of: Void.self)
        server.onStart.withLock { $0 = start }
        let task = Task { [group] in
            defer { onEnd() }
            do {
                try await group.run()
                start.finish()
            } catch {
                start.finish(throwing: error)
                throw error
            }
        }
        running.withLock { $0 = task }
        var iterator = started.makeAsyncIterator()
        guard try await iterator.next() != nil else { throw CancellationError() }
    }

    /// The server, and whoever works for it, is told to finish; the other services follow when it has.
    func beginShutdown() {
        Task { [group] in await group.triggerGracefulShutdown() }
    }

    /// Returns when all services have ended; throws what ended them early. What has not ended at the deadline is
    /// cancelled.
    func finish(by deadline: ContinuousClock.Instant) async throws {
        let task = running.withLock { $0 }
        beginShutdown()
        let patience = Task {
            try await Task.sleep(until: deadline, clock: .continuous)
            task?.cancel()
        }
        defer { patience.cancel() }
        do {
            try await task?.value
        } catch is CancellationError where ContinuousClock.now >= deadline {
            // What was cancelled at the deadline, as drains promise, is no failure of a service.
        }
    }
}

/// The place of the server among the services.
private final class ServerService: Service {
    private let before: [@Sendable () async throws -> Void]
    private let onRunning: @Sendable () async throws -> (any Channel)?
    private let tasks: ConnectionTasks
    private let executor: (any TaskExecutor)?
    let onStart = Mutex<AsyncThrowingStream<Void, any Error>.Continuation?>(nil)

    init(
        before: [@Sendable () async throws -> Void],
        onRunning: @escaping @Sendable () async throws -> (any Channel)?,
        tasks: ConnectionTasks,
        executor: (any TaskExecutor)?
    ) {
        self.before = before
        self.onRunning = onRunning
        self.tasks = tasks
        self.executor = executor
    }

    func run() async throws {
        for process in before { try await process() }
        onStart.withLock { _ = $0?.yield() }
        let standIn = try await onRunning()
        await tasks.run(on: executor)
        try await standIn?.close()
    }
}
#endif
