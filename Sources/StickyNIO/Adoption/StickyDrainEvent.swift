#if NIO
public import StickyServer

/// Goes through the pipeline of every open channel, as a user inbound event, when the worker stops: at once, or spread
/// over the time that the request gives, so that clients do not all come back at the same moment.
///
/// A handler that knows the protocol closes the connection when it is idle, and otherwise when what is in progress is
/// done (for HTTP/1.1 with `Connection: close` in the answer, for HTTP/2 with GOAWAY). Channels that are adopted later
/// get it as soon as they are active. What is still open at the deadline is cut off.
public struct StickyDrainEvent: Sendable {
    /// Why the worker stops, and when it ends at the latest. With a successor (`replaced`), idle connections may wait
    /// for one more request; otherwise they close at once.
    public let request: DrainRequest

    /// Makes the event, as tests of handlers do.
    public init(_ request: DrainRequest) {
        self.request = request
    }
}
#endif
