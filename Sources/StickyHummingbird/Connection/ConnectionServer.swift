#if Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTPTypes
internal import StickyNIO
internal import StickyTLS

/// Gives each connection its protocol, and runs the tasks that serve it.
final class ConnectionServer: Sendable {
    private let responder: HTTPChannelHandler.Responder
    private let options: HTTPOptions
    private let logger: Logger
    private let executors: [ObjectIdentifier: any TaskExecutor]
    private let tasks: ConnectionTasks

    init(
        responder: @escaping HTTPChannelHandler.Responder,
        options: HTTPOptions,
        group: any EventLoopGroup,
        tasks: ConnectionTasks,
        logger: Logger
    ) {
        self.responder = responder
        self.options = options
        self.logger = logger
        self.tasks = tasks
        var executors: [ObjectIdentifier: any TaskExecutor] = [:]
        if options.runsRequestsOnEventLoop {
            for loop in group.makeIterator() { executors[ObjectIdentifier(loop)] = LoopExecutor.make(loop) }
        }
        self.executors = executors
    }

    /// Fills the pipeline of a new channel, on its loop.
    func prepare(_ channel: any Channel, _ info: StickyConnectionInfo, isSecure: Bool) throws {
        let pipeline = channel.pipeline.syncOperations
        if isSecure {
            // On some channels the pipeline comes after the handshake.
            if let tls = pipeline.stickyTLS {
                try begin(channel, StickyConnection(info: info, tls: tls))
            } else {
                try pipeline.addHandler(
                    HandshakeHandler { [self] channel in
                        let tls = channel.pipeline.syncOperations.stickyTLS
                        try begin(channel, StickyConnection(info: info, tls: tls))
                    }
                )
            }
        } else if options.http2 != nil {
            try pipeline.addHandler(
                PrefaceHandler(timeout: options.timeouts.firstRequest) { [self] channel, isHTTP2, deadline in
                    let connection = StickyConnection(info: info)
                    if isHTTP2 {
                        try beginHTTP2(channel, connection, firstRequestBy: deadline)
                    } else {
                        try beginHTTP1(channel, connection, firstRequestBy: deadline)
                    }
                }
            )
        } else {
            try beginHTTP1(channel, StickyConnection(info: info))
        }
    }

    private func begin(_ channel: any Channel, _ connection: StickyConnection) throws {
        if connection.tls?.applicationProtocol == "h2" {
            try beginHTTP2(channel, connection)
        } else {
            try beginHTTP1(channel, connection)
        }
    }

    private func beginHTTP1(
        _ channel: any Channel,
        _ connection: StickyConnection,
        firstRequestBy: NIODeadline? = nil
    ) throws {
        let server = HTTP1Server(
            responder: responder,
            options: options,
            isSecure: connection.tls != nil,
            firstRequestBy: firstRequestBy
        )
        serve(try server.install(on: channel), with: server, connection)
    }

    private func beginHTTP2(
        _ channel: any Channel,
        _ connection: StickyConnection,
        firstRequestBy: NIODeadline? = nil
    ) throws {
        let server = HTTP2Server(
            responder: responder,
            options: options,
            http2: options.http2 ?? HTTP2Options(),
            firstRequestBy: firstRequestBy
        )
        try server.install(on: channel) { [self] stream in serve(stream, with: server, connection) }
    }

    private func serve(
        _ channel: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>,
        with server: some HTTPChannelHandler,
        _ connection: StickyConnection
    ) {
        tasks.start(on: executors[ObjectIdentifier(channel.channel.eventLoop)]) { [logger] in
            await StickyConnection.$current.withValue(connection) {
                await server.handleHTTP(asyncChannel: channel, logger: logger)
            }
        }
    }
}
#endif
