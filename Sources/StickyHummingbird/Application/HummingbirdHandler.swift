#if Hummingbird
public import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import StickyNIO
public import StickyServer
public import StickyTLS
internal import Synchronization

/// Serves a worker's connections with a Hummingbird application: HTTP/1.1 and HTTP/2, with TLS or without.
///
/// `ApplicationProtocol.runStickyService(port:tls:options:configuration:)` makes one; make it yourself for a server with
/// code of its own in the master.
///
/// ```swift
/// let server = try StickyServer(port: 8443)
/// if server.isMaster {
///     try await server.listen()
/// } else {
///     try await server.work(HummingbirdHandler(app, tls: try TLSContext(configuration)))
/// }
/// ```
///
/// The application's services, `beforeServerStarts` processes, logger, server name and error mapping work as they do
/// under Hummingbird's own server. Of its configuration the address, the backlog and the other settings of a listener
/// are not used: the master listens. Nor is its `server` builder, which cannot be told to take a connection.
/// `onServerRunning` gets a channel that stands in for the listening one.
public final class HummingbirdHandler<App: ApplicationProtocol>: ConnectionHandler {
    private let app: App
    private let options: HTTPOptions
    private let tasks = ConnectionTasks()
    private let services: ApplicationServices
    private let connections: NIOConnectionHandler
    private let group: any EventLoopGroup
    private let server: ServerReference
    private let deadline = Mutex<ContinuousClock.Instant?>(nil)

    /// Prepares to serve. Make it in the worker, not in the master: it starts the worker's event loops.
    ///
    /// - Parameters:
    ///   - app: The application. It is not run: what it would do is done for it.
    ///   - tls: What TLS connections share; nil serves in the clear. Its `applicationProtocols` say whether HTTP/2 is
    ///     offered.
    ///   - options: Timeouts, limits and where requests run.
    ///
    /// Throws the system's error when it has no threads or descriptors left for the event loops.
    public init(_ app: App, tls: TLSContext? = nil, options: HTTPOptions = HTTPOptions()) throws {
        self.app = app
        self.options = options
        let group = try options.transport.makeGroup(numberOfThreads: max(1, options.eventLoops))
        let server = ServerReference()
        let isSecure = tls != nil
        services = ApplicationServices(
            app,
            tasks: tasks,
            executor: options.runsRequestsOnEventLoop ? LoopExecutor.make(group.next()) : nil
        )
        self.group = group
        self.server = server
        connections = NIOConnectionHandler(group: group, tls: tls, logger: app.logger) { channel, info in
            channel.eventLoop.makePreparedFuture {
                guard let server = server.load() else { throw ChannelError.connectTimeout(.zero) }
                try server.prepare(channel, info, isSecure: isSecure)
            }
        }
    }

    /// Starts the application's services and what is to be done before the server starts. Called by the server.
    public func start(_ worker: Worker) async throws {
        let answer = ApplicationResponder.make(app, try await app.responder)
        server.set(
            ConnectionServer(
                answer: answer,
                options: options,
                group: group,
                tasks: tasks,
                logger: app.logger
            )
        )
        try await connections.start(worker)
        try await services.start {
            // A service that ends before its time ends the application, and with it this worker.
            if self.deadline.withLock({ $0 == nil }) { worker.end() }
        }
    }

    /// Adopts a connection. Called by the server.
    public func addConnection(_ socket: consuming PausedSocket) {
        connections.addConnection(socket)
    }

    /// Ends idle connections and lets requests in progress finish. Services end when the last connection has. Called by
    /// the server.
    public func drain(_ request: DrainRequest) {
        deadline.withLock { $0 = request.deadline }
        connections.drain(request)
        services.beginShutdown()
    }

    /// Ends the services in the reverse of their order. Called by the server.
    public func finish() async throws {
        tasks.end()
        // Handlers whose client has gone may still be at work, and use the services.
        try await services.finish(by: deadline.withLock { $0 } ?? .now + .seconds(3))
    }

    /// Answers when every event loop has turned. Called by the server.
    public func checkHealth(_ answer: @escaping @Sendable () -> Void) {
        connections.checkHealth(answer)
    }
}

#if os(Linux)
extension HummingbirdHandler: ControlDriver {
    /// Called by the server.
    package func drive(_ make: @escaping @Sendable () -> ControlLoop, onEnd: @escaping @Sendable () -> Void) -> Bool {
        connections.drive(make, onEnd: onEnd)
    }
}
#endif

/// Set once, when the application's responder is known, and read for each connection without a lock.
private final class ServerReference: Sendable {
    private let reference = AtomicLazyReference<ConnectionServer>()

    func set(_ server: ConnectionServer) {
        _ = reference.storeIfNil(server)
    }

    func load() -> ConnectionServer? {
        reference.load()
    }
}
#endif
