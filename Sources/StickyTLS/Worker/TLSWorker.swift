public import Logging
public import StickyServer

/// Puts TLS before an application: a connection handler that makes each paused socket a ``TLSConnection`` and hands
/// that to the handler that it wraps.
///
/// The shortest way to serve TLS is a closure that reads and writes; each connection gets a thread:
///
/// ```swift
/// try await server.work(
///     TLSWorker(TLSConfiguration(identities: [TLSIdentity(file: "server.pem")])) { connection in
///         while case let bytes = try connection.read(), !bytes.isEmpty {
///             try connection.write(bytes)
///         }
///     }
/// )
/// ```
public struct TLSWorker<Application: TLSConnectionHandler>: ConnectionHandler {
    /// What connections share.
    public let context: TLSContext
    /// What serves them.
    public let application: Application
    private let logger: Logger

    /// Wraps `application`, with a context that exists.
    public init(_ context: TLSContext, application: Application, logger: Logger = Logger(label: "StickyTLS")) {
        self.context = context
        self.application = application
        self.logger = logger
    }

    /// Reads the configuration's files and wraps `application`.
    public init(
        _ configuration: TLSConfiguration,
        application: Application,
        logger: Logger = Logger(label: "StickyTLS")
    ) throws(TLSError) {
        self.init(try TLSContext(configuration), application: application, logger: logger)
    }

    /// Takes the master's ticket keys and prepares the application.
    public func start(_ worker: Worker) async throws {
        context.attach(to: worker)
        try await application.start(worker)
    }

    /// Begins TLS on the socket and passes it on. Nothing is read yet.
    public func addConnection(_ socket: consuming PausedSocket) {
        let peer = socket.peer
        let connection: TLSConnection
        do {
            connection = try TLSConnection(socket, context: context)
        } catch  where error.code == .tooManyHandshakes {
            logger.debug("too many handshakes in progress, a connection is dropped", metadata: ["peer": "\(peer)"])
            return
        } catch {
            logger.error(
                "TLS cannot begin, the connection is dropped",
                metadata: ["peer": "\(peer)", "why": "\(error)"]
            )
            return
        }
        application.addConnection(connection)
    }

    /// Passes the message on.
    public func clusterMessage(_ message: ClusterMessage) {
        application.clusterMessage(message)
    }

    /// Passes the request on.
    public func clusterRequest(_ request: ClusterMessage) async -> [UInt8]? {
        await application.clusterRequest(request)
    }

    /// Passes the word on. Handshakes in progress end at their own deadline.
    public func drain(_ request: DrainRequest) {
        application.drain(request)
    }

    /// Passes the word on.
    public func finish() async throws {
        try await application.finish()
    }

    /// Asks the application.
    public func checkHealth(_ answer: @escaping @Sendable () -> Void) {
        application.checkHealth(answer)
    }
}

extension TLSWorker where Application == ThreadPerConnection {
    /// Serves each connection with `body` on a thread of its own, after the handshake. When `body` returns or throws,
    /// the connection is closed such that everything that was written arrives.
    public init(
        _ configuration: TLSConfiguration,
        options: ThreadPerConnection.Options = .init(),
        serve body: @escaping @Sendable (inout TLSConnection) throws -> Void
    ) throws(TLSError) {
        try self.init(
            configuration,
            application: ThreadPerConnection(options: options, serve: body),
            logger: options.logger
        )
    }
}
