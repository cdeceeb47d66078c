#if Hummingbird
import Hummingbird
import HTTPTypes
import NIOCore
import StickyHummingbird
import StickyNIO
import StickyTLS

#if canImport(Glibc)
import Glibc
#endif

/// A context that knows its connection.
struct FixtureContext: StickyRequestContext {
    var coreContext: CoreRequestContextStorage
    let initialConnection: StickyConnection?

    init(source: Source) {
        coreContext = .init(source: source)
        initialConnection = StickyConnection.current
    }
}

/// With one member: those of several would come in any order.
struct Greeting: ResponseCodable {
    var times: Int
}

/// What the application does. Nothing here knows which server it runs on, but for `/whoami`.
enum Routes {
    static func build() -> Router<FixtureContext> {
        let router = Router(context: FixtureContext.self, options: .autoGenerateHeadEndpoints)
        plain(router)
        bodies(router)
        watching(router)
        errors(router)
        connection(router)
        return router
    }

    private static func plain(_ router: Router<FixtureContext>) {
        router.get("hello") { _, _ in "Hello, world!\n" }
        for method in [HTTPRequest.Method.get, .put, .post, .delete, .patch, .options, .trace] {
            router.on("method", method: method) { request, _ in "\(request.method.rawValue)\n" }
        }
        router.get("headers") { request, _ in
            request.headers.map { "\($0.name.canonicalName)=\($0.value)\n" }.sorted().joined()
        }
        router.get("query") { request, _ in
            request.uri.queryParameters.map { "\($0.key)=\($0.value)\n" }.sorted().joined()
        }
        router.get("path/:one/:two") { _, context in
            "\(context.parameters.get("one") ?? "-") \(context.parameters.get("two") ?? "-")\n"
        }
        router.get("scheme") { request, _ in "\(request.head.scheme ?? "-")\n" }
        router.get("no-content") { _, _ in Response(status: .noContent) }
        router.get("not-modified") { _, _ in Response(status: .notModified, headers: [.eTag: "\"one\""]) }
        router.get("redirect") { _, _ in Response.redirect(to: "/hello", type: .found) }
        router.get("cookies") { _, _ in
            var response = Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "two cookies\n")))
            response.setCookie(Cookie(name: "a", value: "1"))
            response.setCookie(Cookie(name: "b", value: "2"))
            return response
        }
        router.get("slow/:ms") { _, context in
            try await Task.sleep(for: .milliseconds(context.parameters.require("ms", as: Int.self)))
            return "slept\n"
        }
        router.post("json") { request, context in
            var greeting = try await request.decode(as: Greeting.self, context: context)
            greeting.times += 1
            return greeting
        }
    }

    private static func bodies(_ router: Router<FixtureContext>) {
        router.post("echo") { request, _ in
            Response(status: .ok, body: ResponseBody(asyncSequence: request.body))
        }
        router.post("collect") { request, _ in
            let body = try await request.body.collect(upTo: 256 << 20)
            return "\(body.readableBytes) \(checksum(body.readableBytesView))\n"
        }
        router.post("count") { request, _ in
            var count = 0
            for try await part in request.body { count += part.readableBytes }
            return "\(count)\n"
        }
        router.post("ignore") { _, _ in "ignored\n" }
        router.get("bytes/:n") { _, context in
            let count = try context.parameters.require("n", as: Int.self)
            return Response(
                status: .ok,
                headers: [.contentLength: "\(count)"],
                body: ResponseBody(contentLength: count) { writer in
                    try await writePattern(count, to: &writer)
                    try await writer.finish(nil)
                }
            )
        }
        router.get("buffer/:n") { _, context in
            ByteBuffer(repeating: 65, count: try context.parameters.require("n", as: Int.self))
        }
        router.get("slow-bytes/:ms/:n") { _, context in
            Output.note("slow-bytes begins")
            try await Task.sleep(for: .milliseconds(context.parameters.require("ms", as: Int.self)))
            return ByteBuffer(repeating: 65, count: try context.parameters.require("n", as: Int.self))
        }
        router.post("rest/:ms") { request, context in
            try await Task.sleep(for: .milliseconds(context.parameters.require("ms", as: Int.self)))
            var count = 0
            for try await part in request.body { count += part.readableBytes }
            return "\(count)\n"
        }
        router.get("chunked/:n") { _, context in
            let count = try context.parameters.require("n", as: Int.self)
            return Response(
                status: .ok,
                body: ResponseBody { writer in
                    try await writePattern(count, to: &writer)
                    try await writer.finish(nil)
                }
            )
        }
        router.get("trailers") { _, _ in
            Response(
                status: .ok,
                headers: [.trailer: "x-sum"],
                body: ResponseBody { writer in
                    try await writer.write(ByteBuffer(string: "with trailers\n"))
                    try await writer.finish([HTTPField.Name("x-sum")!: "14"])
                }
            )
        }
    }

    /// Handlers that hear of it when their client goes.
    private static func watching(_ router: Router<FixtureContext>) {
        for method in [HTTPRequest.Method.get, .post] {
            router.on("watch/:ms", method: method) { request, context in
                let milliseconds = try context.parameters.require("ms", as: Int.self)
                let count = try await request.body.consumeWithInboundCloseHandler { body in
                    var count = 0
                    for try await part in body { count += part.readableBytes }
                    Output.note("watch begins")
                    try await Task.sleep(for: .milliseconds(milliseconds))
                    return count
                } onInboundClosed: {
                    Output.note("watch: the client has gone")
                }
                return "\(count)\n"
            }
        }
        router.get("cancelled/:ms") { request, context in
            let milliseconds = try context.parameters.require("ms", as: Int.self)
            do {
                return try await request.body.consumeWithCancellationOnInboundClose { _ in
                    Output.note("cancelled begins")
                    try await Task.sleep(for: .milliseconds(milliseconds))
                    return "slept\n"
                }
            } catch is CancellationError {
                Output.note("cancelled: ended early")
                throw CancellationError()
            }
        }
    }

    private static func errors(_ router: Router<FixtureContext>) {
        struct Plain: Error {}
        router.get("error/:code") { _, context -> String in
            throw HTTPError(.init(code: try context.parameters.require("code", as: Int.self)), message: "as you wish")
        }
        router.get("throw") { _, _ -> String in throw Plain() }
        router.get("break/:n") { _, context in
            let count = try context.parameters.require("n", as: Int.self)
            return Response(
                status: .ok,
                body: ResponseBody { writer in
                    try await writePattern(count, to: &writer)
                    throw Plain()
                }
            )
        }
    }

    private static func connection(_ router: Router<FixtureContext>) {
        router.get("whoami") { _, context in
            guard let connection = StickyConnection.current else { return "nobody knows\n" }
            let tls = connection.tls
            return """
                peer=\(connection.peer) slot=\(connection.slot) generation=\(connection.generation) \
                scheme=\(connection.scheme) version=\(tls?.version.description ?? "-") \
                alpn=\(tls?.applicationProtocol ?? "-") sni=\(tls?.serverName ?? "-") \
                resumed=\(tls?.isResumed == true) \
                same=\(context.connection === connection && context.initialConnection === connection) \
                pid=\(getpid())

                """
        }
        router.get("thread") { _, _ in "\(pthread_self())\n" }
    }

    private static let piece = ByteBuffer(bytes: (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31) })

    private static func writePattern(_ count: Int, to writer: inout any ResponseBodyWriter) async throws {
        var left = count
        while left > 0 {
            let length = min(left, piece.readableBytes)
            try await writer.write(piece.getSlice(at: piece.readerIndex, length: length) ?? ByteBuffer())
            left -= length
        }
    }

    /// By words, because a test's build is not optimised.
    private static func checksum(_ bytes: ByteBufferView) -> UInt64 {
        bytes.withUnsafeBytes { bytes in
            var sum = UInt64(bytes.count)
            var place = 0
            while place + 8 <= bytes.count {
                sum = (sum ^ bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)) &* 1_099_511_628_211
                place += 8
            }
            return bytes[place...].reduce(sum) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        }
    }
}
#endif
