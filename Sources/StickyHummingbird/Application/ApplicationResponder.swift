#if Hummingbird
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1

/// What Hummingbird's `Application` does around the responder, for each request: the request's id in the logger, the
/// context, the answer to an error that nobody caught, the date and the server's name.
enum ApplicationResponder {
    /// A request's answer, which somebody else writes.
    typealias Answer = nonisolated(nonsending) @Sendable (Request, any Channel) async throws -> Response

    /// The answer could not be written, because the request turned out to be no HTTP while it was: there is no place
    /// for another answer.
    struct BrokenRequest: Error {}

    static func make<App: ApplicationProtocol>(_ app: App, _ responder: App.Responder) -> Answer {
        let logger = app.logger.settingOften("hb.request.id")
        let serverName = app.configuration.serverName
        let date = HTTPDate()
        return { request, channel in
            StickyConnection.current?.countRequest()
            var requestLogger = logger
            requestLogger[metadataKey: "hb.request.id"] = .stringConvertible(RequestID())
            return try await withLogger(requestLogger) { logger in
                let context = App.Context(source: ApplicationRequestContextSource(channel: channel, logger: logger))
                var response: Response
                do {
                    response = try await responder.respond(to: request, context: context)
                } catch let error as HTTPParserError {
                    throw error
                } catch let error as RequestAborted {
                    response = error.response
                } catch {
                    logger.debug("Unrecognised Error", metadata: ["error.type": "\(error)"])
                    response = Response(status: .internalServerError)
                }
                response.headers[.date] = date.now
                if let serverName { response.headers[.server] = serverName }
                return response
            }
        }
    }

    /// For Hummingbird's own loop over the requests of a channel.
    static func writing(_ answer: @escaping Answer) -> HTTPChannelHandler.Responder {
        { request, writer, channel in
            let response = try await answer(request, channel)
            do {
                try await writer.write(response: response.head, body: response.body)
            } catch is HTTPParserError {
                throw BrokenRequest()
            }
        }
    }
}
#endif
