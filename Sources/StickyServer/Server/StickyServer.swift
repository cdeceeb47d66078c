internal import CStickyServer
internal import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// N copies of this program behind one address, every client at the same copy each time.
///
/// The same executable plays both roles: started by a user it is the master, which listens and passes connections on;
/// started by the master it is a worker, which serves them.
///
/// ```swift
/// let server = try StickyServer(port: 8080)
/// if server.isMaster {
///     try await server.listen()
/// } else {
///     try await server.work(MyHandler())
/// }
/// ```
///
/// Make one server in a process, at its start, before other threads read the environment.
public final class StickyServer: Sendable {
    /// The settings, with the port of ``init(port:configuration:)`` among the listeners.
    public let configuration: Configuration
    /// This process's place in the cluster; nil in the master.
    public let worker: Worker?

    private let events = EventHub()
    let mailbox: Mailbox
    let inherited: UpgradeState?
    private let hasStarted = Atomic<Bool>(false)

    /// A server on one port of every address of the machine.
    ///
    /// Throws `invalidPort` when `port` is not in 0 ... 65535, and what ``init(configuration:)`` throws. Port 0 takes a
    /// free port, which ``MasterEvent/listening(addresses:workers:)`` names.
    public convenience init(port: Int, configuration: Configuration = Configuration()) throws(StickyServerError) {
        var configuration = configuration
        configuration.listeners.insert(try ListenAddress.any(port: port), at: 0)
        try self.init(configuration: configuration)
    }

    /// A server on the addresses of `configuration.listeners`.
    ///
    /// Throws `invalidConfiguration` naming the setting that is wrong. Nothing is opened before ``listen()``.
    public init(configuration: Configuration) throws(StickyServerError) {
        try configuration.validate()
        self.configuration = configuration
        mailbox = try Mailbox()
        if let environment = WorkerEnvironment.take() {
            guard StickyServer.isSocket(environment.control) else {
                throw StickyServerError(
                    .controlSocketLost,
                    "the environment says that this process is a worker, but descriptor \(environment.control) is no "
                        + "socket: unset STICKY_CONTROL to start a master"
                )
            }
            _ = sticky_set_cloexec(environment.control, 1)
            worker = try Worker(environment, configuration: configuration)
            inherited = nil
        } else {
            worker = nil
            inherited = try UpgradeFile.take()
        }
    }

    /// Whether this process is the one that listens.
    public var isMaster: Bool { worker == nil }

    /// What happens in the master from now on. Subscribe before ``listen()``; every call makes a stream of its own.
    ///
    /// A subscriber that does not keep up loses the newest events beyond `limit`. The stream ends with the server.
    public func events(_ filter: EventFilter = .lifecycle, limit: Int = 4096) -> AsyncStream<MasterEvent> {
        events.subscribe(filter, limit: limit)
    }

    /// What the master has counted so far. Zero in a worker.
    public var counts: MasterCounts { events.counts.current }

    /// The master: opens the listeners, starts the workers and passes connections on until the server has stopped.
    ///
    /// Throws when an address cannot be listened on, or when every worker ends before it is ready. Runs on a thread of
    /// its own; the caller's task only waits. Cancelling the task is ``stop()``.
    public func listen() async throws {
        guard isMaster else {
            throw StickyServerError(.notTheMaster, "this process is a worker: call work(_:) when isMaster is false")
        }
        try start()
        // Also when it does not come to the loop: nobody is to wait for ever for events or for a message to be sent.
        defer {
            mailbox.end()
            events.finish()
        }
        try configuration.privileges.validate(isRoot: geteuid() == 0)
        if configuration.raisesDescriptorLimit { _ = sticky_raise_descriptor_limit() }
        let slots = configuration.maxWorkers == 0 ? UsableCores.count() : configuration.maxWorkers
        let (configuration, events, mailbox, inherited) = (configuration, events, mailbox, inherited)
        if configuration.handlesSignals { mailbox.wakePipe.catchSignals(MasterSignals.all) }
        try await withTaskCancellationHandler {
            try await StickyServer.onThread { () throws(StickyServerError) in
                // An upgrade leaves signals blocked until the new binary's handlers are there.
                MasterSignals.unblock()
                let loop = try MasterLoop(
                    configuration,
                    slotCount: slots,
                    inherited: inherited,
                    events: events,
                    mailbox: mailbox
                )
                try loop.run()
            }
        } onCancel: {
            mailbox.post(.stop)
        }
    }

    /// A worker: prepares `handler`, tells the master that it is ready and serves until it has drained.
    ///
    /// Throws what ``ConnectionHandler/start(_:)`` and ``ConnectionHandler/finish()`` throw; end the process with a
    /// non-zero status then, as an error thrown from `main` does.
    public func work(_ handler: some ConnectionHandler) async throws {
        guard let worker else {
            throw StickyServerError(.notAWorker, "this process is the master: call listen() when isMaster is true")
        }
        try start()
        // A client that goes away while it is written to is an error of that write, not a reason to die.
        signal(SIGPIPE, SIG_IGN)
        if configuration.handlesSignals {
            signal(SIGINT, SIG_IGN)
            worker.wakePipe.catchSignals([SIGTERM])
        }
        if configuration.raisesDescriptorLimit { _ = sticky_raise_descriptor_limit() }
        try configuration.privileges.drop()
        let notice = Frame.crashNotice()
        _ = sticky_crash_notice_install(worker.control.descriptor.number, notice, notice.count)

        let configuration = configuration
        // One element when the master has told everything; the end when the worker has drained.
        let (stages, stage) = AsyncStream.makeStream(of: Void.self)
        let make: @Sendable () -> ControlLoop = {
            ControlLoop(worker, handler: handler, configuration: configuration, onWelcome: { stage.yield() })
        }
        let isDriven = (handler as? any ControlDriver)?.drive(make, onEnd: { stage.finish() }) ?? false
        let started =
            isDriven
            || DedicatedThread.start("sticky-control") {
                make().run()
                stage.finish()
            }
        guard started else { throw StickyServerError.noThread }
        var iterator = stages.makeAsyncIterator()
        guard await iterator.next() != nil else { return }
        try await handler.start(worker)
        worker.announceReady()
        while await iterator.next() != nil {}
        try await handler.finish()
    }

    /// Plays whichever role this process has: for servers that need no code of their own in the master.
    public static func run(
        port: Int,
        configuration: Configuration = Configuration(),
        handler: @Sendable () throws -> some ConnectionHandler
    ) async throws {
        let server = try StickyServer(port: port, configuration: configuration)
        if server.isMaster {
            try await server.listen()
        } else {
            try await server.work(try handler())
        }
    }

    /// The master stops: no more connections, workers finish what they have within the drain deadline. A second call
    /// ends them at once. Safe on any thread.
    public func stop() {
        mailbox.post(.stop)
    }

    /// Slot by slot, a new process is started and becomes ready before the old one drains. A new one that fails to
    /// become ready ends the reload, and the old ones stay. Safe on any thread; events tell how it goes.
    public func reload() {
        mailbox.post(.reload)
    }

    /// The master becomes the executable that now stands at its path, in place and with the same pid: listeners, the
    /// routing key, living workers and waiting connections are carried over, and the workers are then replaced slot by
    /// slot. A new executable whose first worker does not become ready changes nothing. Safe on any thread.
    public func upgrade() {
        mailbox.post(.upgrade)
    }

    /// Changes the number of slots, 1 or more. Clients of slots that stay do not move. Safe on any thread.
    public func scale(to workers: Int) {
        mailbox.post(.scale(to: workers))
    }

    private func start() throws(StickyServerError) {
        guard !hasStarted.exchange(true, ordering: .relaxed) else {
            throw StickyServerError(.alreadyRunning, "listen() or work(_:) was called before; make another process")
        }
    }

    private static func onThread(_ body: @escaping @Sendable () throws(StickyServerError) -> Void) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let started = DedicatedThread.start("sticky-master") {
                do throws(StickyServerError) {
                    try body()
                    continuation.resume()
                } catch {
                    continuation.resume(throwing: error)
                }
            }
            if !started {
                continuation.resume(throwing: StickyServerError.noThread)
            }
        }
    }

    private static func isSocket(_ number: CInt) -> Bool {
        var kind: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(number, SOL_SOCKET, SO_TYPE, &kind, &length) == 0
    }
}
