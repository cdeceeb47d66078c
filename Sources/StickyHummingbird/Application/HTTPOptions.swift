#if Hummingbird
public import NIOCore
public import StickyNIO

/// How workers speak HTTP. Every setting has a default that holds against hostile clients.
public struct HTTPOptions: Sendable {
    /// What a client may take how long for.
    public var timeouts = HTTPTimeouts()
    /// What a client may send how much of.
    public var limits = HTTPLimits()
    /// HTTP/2: offered with TLS (ALPN `h2`), and in the clear to clients that begin with it (RFC 9113 section 3.3).
    /// Nil speaks HTTP/1.1 only.
    public var http2: HTTP2Options? = HTTP2Options()

    /// The event loops of a worker. One by default: a worker is one thread, and its state needs no locks.
    public var eventLoops = 1
    /// What carries connections. See `docs/architecture.md` for the difference.
    public var transport = NIOTransport.lean
    /// Runs the tasks of requests on the connection's event loop rather than on Swift's global threads. A request then
    /// costs no change of threads, and a handler must not block. Default: true.
    public var runsRequestsOnEventLoop = true

    /// Handlers between HTTP and the application, made anew for each HTTP/1.1 connection and each stream of HTTP/2;
    /// they see NIOHTTPTypes' `HTTPRequestPart` and `HTTPResponsePart`. With any of them every HTTP/1.1 connection goes
    /// through a `NIOAsyncChannel`, as one with a request body does, which costs more CPU for each request.
    public var additionalChannelHandlers: @Sendable () -> [any RemovableChannelHandler] = { [] }

    /// The defaults.
    public init() {}
}

/// What a client may take how long for. A connection that exceeds one is closed.
public struct HTTPTimeouts: Sendable, Hashable {
    /// From the connection's start, or the end of its handshake, to its first whole request head. Default: 10 s.
    public var firstRequest: TimeAmount = .seconds(10)
    /// From an answer to the next whole request head; for HTTP/2, without an open stream. Default: 60 s.
    public var keepAlive: TimeAmount = .seconds(60)
    /// Between two pieces of a request's body, while somebody waits for one. The handler's read of the body throws an
    /// error with status 408 first. Default: 30 s.
    public var requestBody: TimeAmount = .seconds(30)
    /// For a client to take some of what waits for it. Default: 60 s.
    public var response: TimeAmount = .seconds(60)

    /// The defaults.
    public init() {}
}

/// What a client may send how much of.
public struct HTTPLimits: Sendable, Hashable {
    /// Bytes of one header field of HTTP/1.1. Beyond it the answer is 400. Default: 80 KiB, as Hummingbird has it.
    public var headerField = 80 * 1024
    /// Bytes of all header fields of an HTTP/1.1 request. Default: 80 KiB.
    public var headerList = 80 * 1024
    /// The number of header fields of an HTTP/1.1 request. Default: 1000.
    public var headerFields = 1000
    /// Bytes of a request's body, whatever reads it: reading more throws an error with status 413. Nil, the default,
    /// leaves it to the application, as Hummingbird does (`maxUploadSize` of the context).
    public var requestBody: Int?
    /// Requests on one connection, after which it closes with the answer; for HTTP/2 it says GOAWAY. Nil, the default,
    /// is no limit.
    public var requestsPerConnection: Int?

    /// The defaults.
    public init() {}
}

/// HTTP/2 (RFC 9113): what a client is told it may do, and what ends a connection that does more.
///
/// A connection that floods ends with GOAWAY and the error code ENHANCE_YOUR_CALM or PROTOCOL_ERROR.
public struct HTTP2Options: Sendable, Hashable {
    /// Streams that may be open at a time (SETTINGS_MAX_CONCURRENT_STREAMS). Default: 100.
    public var concurrentStreams = 100
    /// Bytes of a request's header list, decoded (SETTINGS_MAX_HEADER_LIST_SIZE). Default: 64 KiB.
    public var headerList = 64 * 1024
    /// Bytes of a request's body that a client may send ahead of its reader, 65,535 ... 2^31 - 1. Default: 256 KiB.
    public var streamWindow = 256 * 1024
    /// The same for all streams of a connection together. Default: 1 MiB.
    public var connectionWindow = 1024 * 1024
    /// Streams that a client may reset within ``floodWindow`` (CVE-2023-44487). Default: 200.
    public var resets = 200
    /// Streams that may end with an error within ``floodWindow`` (CVE-2025-8671). Default: 200.
    public var streamErrors = 200
    /// PING, SETTINGS and PRIORITY frames within ``floodWindow`` (CVE-2019-9512, CVE-2019-9515). Default: 200.
    public var controlFrames = 200
    /// The time over which floods are counted. Default: 30 s.
    public var floodWindow: TimeAmount = .seconds(30)
    /// CONTINUATION frames in a row (CVE-2024-27316). Default: 5.
    public var continuations = 5
    /// Empty DATA frames in a row (CVE-2019-9518). Default: 1.
    public var emptyData = 1
    /// How long a client may take to confirm that it has seen GOAWAY (by PING) before the server goes on as if it had.
    /// Default: 3 s.
    public var goAwayPatience: TimeAmount = .seconds(3)

    /// The defaults.
    public init() {}
}
#endif
