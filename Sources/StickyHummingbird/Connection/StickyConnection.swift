#if Hummingbird
public import Hummingbird
public import StickyNIO
public import StickyTLS
internal import Synchronization

/// The connection that a request came on: what the hand-off and TLS tell about it.
///
/// A route handler of any application finds it as ``current``, on HTTP/1.1 and on every stream of HTTP/2. The value is
/// made once for a connection, and asking costs nothing.
///
/// ```swift
/// router.get("whoami") { _, _ in
///     "you are \(StickyConnection.current?.peer.description ?? "somebody")"
/// }
/// ```
public final class StickyConnection: Sendable {
    /// The connection of the request that the current task works on; nil outside a request, in a detached task and
    /// under another server than StickyServer's.
    @TaskLocal public static var current: StickyConnection?

    /// What the master said when it handed the connection over.
    public let info: StickyConnectionInfo
    /// What client and server agreed on; nil in the clear.
    public let tls: TLSConnectionInfo?

    private let count = Atomic<Int>(0)

    /// Puts the facts together, as tests of an application do.
    public init(info: StickyConnectionInfo, tls: TLSConnectionInfo? = nil) {
        self.info = info
        self.tls = tls
    }

    /// The client's address as the master accepted it.
    public var peer: StickyAddress { info.peer }
    /// The address of this end that the client connected to.
    public var local: StickyAddress { info.local }
    /// The slot that serves the connection: the same one each time for this client.
    public var slot: Int { info.slot }
    /// Which start of the slot's process serves it, from 1.
    public var generation: Int { info.generation }
    /// Requests that came on the connection so far.
    public var requests: Int { count.load(ordering: .relaxed) }
    /// `https` with TLS, else `http`.
    public var scheme: String { tls == nil ? "http" : "https" }

    func countRequest() {
        count.add(1, ordering: .relaxed)
    }
}

/// A request context that knows its connection. A context conforms by saying so; it needs no member for it.
///
/// ```swift
/// struct AppContext: StickyRequestContext {
///     var coreContext: CoreRequestContextStorage
///
///     init(source: Source) {
///         coreContext = .init(source: source)
///     }
/// }
/// ```
public protocol StickyRequestContext: RequestContext {
    /// The connection of the request; nil under another server, such as the one of HummingbirdTesting.
    var connection: StickyConnection? { get }
}

extension StickyRequestContext {
    /// The connection of the task that asks, which is the request's unless it is detached from it. A context that is
    /// carried elsewhere stores it in its initializer.
    public var connection: StickyConnection? { StickyConnection.current }
}
#endif
