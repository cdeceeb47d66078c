#if Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTPTypes
internal import StickyNIO
internal import StickyTLS

/// Gives each connection its protocol, and runs the tasks that serve it.
final class ConnectionServer: Sendable {
    /// What the connections of one loop share.
    private struct Place {
        let executor: any TaskExecutor
        let watches = InboundWatches()
    }

    private let answer: ApplicationResponder.Answer
    private let responder: HTTPChannelHandler.Responder
    private let options: HTTPOptions
    private let logger: Logger
    /// Empty when requests do not run on the loops of their connections.
    private let places: [ObjectIdentifier: Place]
    private let tasks: ConnectionTasks

    init(
        answer: @escaping ApplicationResponder.Answer,
        options: HTTPOptions,
        group: any EventLoopGroup,
        tasks: ConnectionTasks,
        logger: Logger
    ) {
        self.answer = answer
        responder = ApplicationResponder.writing(answer)
        self.options = options
        self.logger = logger
        self.tasks = tasks
        var places: [ObjectIdentifier: Place] = [:]
        if options.runsRequestsOnEventLoop {
            for loop in group.makeIterator() {
                places[ObjectIdentifier(loop)] = Place(executor: LoopExecutor.make(loop))
            }
        }
        self.places = places
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
        let handler = try server.install(on: channel)
        let additional = options.additionalChannelHandlers()
        // Handlers of others want to see the parts that Hummingbird's own loop sees.
        guard additional.isEmpty, let place = places[ObjectIdentifier(channel.eventLoop)] else {
            return serve(try server.wrapParts(of: channel, for: additional), with: server, connection)
        }
        let exchange = HTTP1Exchange(channel, handler)
        try channel.pipeline.syncOperations.addHandler(exchange)
        let requests = HTTP1Requests(exchange: exchange, server: server, answer: answer, watches: place.watches)
        tasks.start(on: place.executor) { [logger] in
            await StickyConnection.$current.withValue(connection) { await requests.serve(logger) }
        }
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
        tasks.start(on: places[ObjectIdentifier(channel.channel.eventLoop)]?.executor) { [logger] in
            await StickyConnection.$current.withValue(connection) {
                await server.handleHTTP(asyncChannel: channel, logger: logger)
            }
        }
    }
}
#endif
