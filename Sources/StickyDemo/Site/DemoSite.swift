#if Hummingbird
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import StickyHummingbird
import StickyServer
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The demo's application: an ordinary one of Hummingbird, which keeps what it knows in this worker's memory.
struct DemoSite: Sendable {
    typealias Context = BasicRequestContext

    static let mostBytes = 16 << 30
    static let mostMilliseconds = 60_000

    let slot: Int
    let allowsCrash: Bool
    let pid = Int(getpid())
    private let counters = CounterStore()

    init(slot: Int, allowsCrash: Bool) {
        self.slot = slot
        self.allowsCrash = allowsCrash
    }

    func application(_ logger: Logger) -> some ApplicationProtocol {
        Application(router: router(), logger: logger)
    }

    func router() -> Router<Context> {
        let router = Router(context: Context.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: SlotMiddleware(slot: slot))
        reading(router, "/") { _, _ in Response(text: Pages.index(self, StickyConnection.current)) }
        reading(router, "hello") { _, _ in Response(text: "Hello, world!\n", type: "text/plain") }
        reading(router, "whoami") { _, _ in Response(json: Pages.whoami(self, StickyConnection.current)) }
        reading(router, "counter") { request, _ in count(request) }
        reading(router, "bytes/:count") { _, context in try bytes(context.parameters.get("count")) }
        reading(router, "sleep/:milliseconds") { _, context in try await sleep(context.parameters.get("milliseconds")) }
        only(router, [.post, .put], "echo") { request, _ in echo(request) }
        only(router, [.post], "crash") { _, _ in try crash() }
        return router
    }

    // MARK: - Answers

    private func count(_ request: Request) -> Response {
        let visit = counters.visit(request.cookies[CounterStore.cookie]?.value)
        var response = Response(json: Pages.counter(self, count: visit.count))
        if visit.isNew {
            response.setCookie(
                Cookie(name: CounterStore.cookie, value: visit.name, path: "/", httpOnly: true, sameSite: .lax)
            )
        }
        return response
    }

    private func bytes(_ text: String?) throws -> Response {
        let count = try number(text, upTo: Self.mostBytes, "/bytes/N with N")
        return Response(
            status: .ok,
            headers: [.contentType: "application/octet-stream"],
            body: ResponseBody(contentLength: count) { writer in
                var left = count
                while left > 0 {
                    let piece = Filler.bytes.getSlice(at: 0, length: min(left, Filler.bytes.readableBytes))
                    guard let piece else { break }
                    left -= piece.readableBytes
                    try await writer.write(piece)
                }
                try await writer.finish(nil)
            }
        )
    }

    private func sleep(_ text: String?) async throws -> Response {
        let milliseconds = try number(text, upTo: Self.mostMilliseconds, "/sleep/MS with MS")
        try await Task.sleep(for: .milliseconds(milliseconds))
        return Response(text: "slept \(milliseconds) ms\n")
    }

    /// What comes goes back while it comes.
    private func echo(_ request: Request) -> Response {
        var headers: HTTPFields = [.contentType: request.headers[.contentType] ?? "application/octet-stream"]
        headers[.contentLength] = request.headers[.contentLength]
        return Response(status: .ok, headers: headers, body: ResponseBody(asyncSequence: request.body))
    }

    private func crash() throws -> Response {
        guard allowsCrash else {
            throw HTTPError(.forbidden, message: "Start the server with --dangerous to allow this.")
        }
        fatalError("POST /crash asked for it")
    }

    // MARK: - Routes

    private typealias Handler = @Sendable (Request, Context) async throws -> Response

    private func reading(_ router: Router<Context>, _ path: RouterPath, _ handler: @escaping Handler) {
        only(router, [.get], path, allow: "GET, HEAD", handler)
    }

    /// Other methods are told which ones there are.
    private func only(
        _ router: Router<Context>,
        _ methods: [HTTPRequest.Method],
        _ path: RouterPath,
        allow: String? = nil,
        _ handler: @escaping Handler
    ) {
        for method in methods { router.on(path, method: method, use: handler) }
        let allowed = allow ?? methods.map(\.rawValue).joined(separator: ", ")
        for method in [HTTPRequest.Method.get, .post, .put, .delete, .patch] where !methods.contains(method) {
            router.on(path, method: method) { _, _ -> Response in
                throw HTTPError(.methodNotAllowed, headers: [.allow: allowed], message: "This path takes \(allowed).")
            }
        }
    }

    /// Digits alone: `Int()` would take a sign too.
    private func number(_ text: String?, upTo limit: Int, _ what: String) throws -> Int {
        if let text, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(text), number <= limit {
            return number
        }
        throw HTTPError(.badRequest, message: "Expected a number: \(what) up to \(limit).")
    }
}

/// Says in each answer which worker gave it.
private struct SlotMiddleware: RouterMiddleware {
    let slot: String

    init(slot: Int) {
        self.slot = String(slot)
    }

    func handle(
        _ request: Request,
        context: DemoSite.Context,
        next: (Request, DemoSite.Context) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch let error as any HTTPResponseError {
            response = try error.response(from: request, context: context)
        }
        if let name = HTTPField.Name("X-Sticky-Slot") { response.headers[name] = slot }
        return response
    }
}

/// What `/bytes/N` is made of.
private enum Filler {
    static let bytes = ByteBuffer(
        string: String(repeating: "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n", count: 2048)
    )
}

extension Response {
    fileprivate init(text: String, type: String = "text/plain; charset=utf-8") {
        self.init(status: .ok, headers: [.contentType: type], body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    fileprivate init(json: String) {
        self.init(text: json, type: "application/json")
    }
}
#endif
