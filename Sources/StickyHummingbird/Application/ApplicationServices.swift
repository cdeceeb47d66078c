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

    init(_ app: some ApplicationProtocol, active: ActiveTasks) {
        server = ServerService(
            before: app.processesRunBeforeServerStart,
            onRunning: {
                let standIn = try await StandInChannel.make(app.eventLoopGroup)
                if let standIn { await app.onServerRunning(standIn) }
                return standIn
            },
            active: active
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

    func beginShutdown() {
        Task { [group] in await group.triggerGracefulShutdown() }
    }

    /// Returns when all services have ended; throws what ended them early.
    func finish() async throws {
        let task = running.withLock { $0 }
        beginShutdown()
        try await task?.value
    }
}

/// The place of the server among the services.
private final class ServerService: Service {
    private let before: [@Sendable () async throws -> Void]
    private let onRunning: @Sendable () async throws -> (any Channel)?
    private let active: ActiveTasks
    let onStart = Mutex<AsyncThrowingStream<Void, any Error>.Continuation?>(nil)

    init(
        before: [@Sendable () async throws -> Void],
        onRunning: @escaping @Sendable () async throws -> (any Channel)?,
        active: ActiveTasks
    ) {
        self.before = before
        self.onRunning = onRunning
        self.active = active
    }

    func run() async throws {
        for process in before { try await process() }
        onStart.withLock { _ = $0?.yield() }
        let standIn = try await onRunning()
        try await gracefulShutdown()
        await active.wait()
        try await standIn?.close()
    }
}
#endif
