#if Hummingbird
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1

/// Serves the requests of one HTTP/1.1 connection, one after the other, on its loop: what Hummingbird's `handleHTTP`
/// does, without `NIOAsyncChannel` as long as no request has a body.
struct HTTP1Requests: Sendable {
    let exchange: HTTP1Exchange
    let server: HTTP1Server
    let answer: ApplicationResponder.Answer
    let watches: InboundWatches

    nonisolated(nonsending) func serve(_ logger: Logger) async {
        await withTaskCancellationHandler {
            do {
                guard try await serveWithoutBodies(logger) else { return }
                let wrapped = try exchange.handOver { try server.wrapParts(of: $0) }
                await server.handleHTTP(asyncChannel: wrapped, logger: logger)
            } catch {
                // The connection has ended, or an answer could not be finished: nothing can follow.
                logger.trace("HTTP/1.1 connection ended", metadata: ["error": "\(error)"])
                exchange.close()
            }
        } onCancel: {
            exchange.cancel()
        }
    }

    /// Returns true before the first request with a body, false after the last answer.
    private nonisolated(nonsending) func serveWithoutBodies(_ logger: Logger) async throws -> Bool {
        do {
            while true {
                switch try await exchange.next() {
                case .unfinished: return true
                case .request(let head):
                    guard let watch = await watches.take(or: exchange.loop, logger) else {
                        // Hummingbird is not what it was: it does everything by itself.
                        exchange.putBack(head)
                        return true
                    }
                    try await serve(HTTPRequest(serving: head, isSecure: server.isSecure), watch)
                    if head.headers["connection"] != ["close"] { continue }
                case .end: break
                }
                break
            }
        } catch is HTTPParserError {
            logger.debug("HTTP parse error, closing connection")
            let head = HTTPResponse(status: .badRequest, headerFields: [.connection: "close", .contentLength: "0"])
            let writer = HTTP1ResponseWriter(exchange)
            try await writer.begin(head)
            try await writer.finish(nil)
        }
        exchange.endAnswers()
        return false
    }

    private nonisolated(nonsending) func serve(_ head: HTTPRequest, _ watch: InboundWatch) async throws {
        exchange.begin(watch)
        defer {
            exchange.finish()
            watches.give(watch)
        }
        let request = Request(head: head, body: watch.body)
        let response = try await answer(request, exchange.channel)
        let writer = HTTP1ResponseWriter(exchange)
        do {
            try await writer.begin(response.head)
            try await response.body.write(writer)
        } catch is HTTPParserError {
            throw ApplicationResponder.BrokenRequest()
        }
    }
}

extension HTTPRequest {
    /// What `HTTP1ToHTTPServerCodec` makes, without the search for a scheme where there can be none.
    init(serving head: HTTPRequestHead, isSecure: Bool) throws {
        guard head.uri.utf8.first == UInt8(ascii: "/") else {
            self = try HTTPRequest(head, secure: isSecure, splitCookie: false)
            return
        }
        self.init(
            method: try Method(head.method),
            scheme: isSecure ? "https" : "http",
            authority: head.headers.first(name: "host"),
            path: head.uri,
            headerFields: HTTPFields(head.headers, splitCookie: false)
        )
    }
}

/// Writes one answer.
private struct HTTP1ResponseWriter: ResponseBodyWriter {
    private let exchange: HTTP1Exchange
    private let number: Int

    /// On the loop.
    init(_ exchange: HTTP1Exchange) {
        self.exchange = exchange
        number = exchange.answer
    }

    nonisolated(nonsending) func begin(_ head: HTTPResponse) async throws {
        try await exchange.write(.head(head), of: number)
    }

    nonisolated(nonsending) func write(_ buffer: ByteBuffer) async throws {
        try await exchange.write(.body(buffer), of: number)
    }

    nonisolated(nonsending) consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await exchange.write(.end(trailingHeaders), of: number)
    }
}
#endif
