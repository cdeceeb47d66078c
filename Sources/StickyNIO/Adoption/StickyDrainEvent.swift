#if NIO
/// Goes through the pipeline of every open channel, as a user inbound event, when the worker stops.
///
/// A handler that knows the protocol closes the connection when it is idle, and otherwise when what is in progress is
/// done (for HTTP/1.1 with `Connection: close` in the answer, for HTTP/2 with GOAWAY). Channels that are adopted later
/// get it as soon as they are active. What is still open at the deadline is cut off.
public struct StickyDrainEvent: Sendable {
    /// When the worker ends at the latest.
    public let deadline: ContinuousClock.Instant

    /// Makes the event, as tests of handlers do.
    public init(deadline: ContinuousClock.Instant) {
        self.deadline = deadline
    }
}
#endif
