#if NIO
import NIOCore

/// Bounds on what a client may ask for and how long it may take.
struct HTTPLimits: Sendable {
    /// From the connection's start to its first whole request head.
    var firstRequest: TimeAmount = .seconds(10)
    /// From one answer to the next whole request head.
    var keepAlive: TimeAmount = .seconds(60)
    /// Between two pieces of a request's body.
    var body: TimeAmount = .seconds(30)
    /// For a client to take some of its answer.
    var answer: TimeAmount = .seconds(60)
    /// While draining: how long a connection that has not asked anything may still do so.
    var lastChance: TimeAmount = .seconds(2)
    /// The body of a request whose path has no use for one.
    var unusedBody = 1 << 20
    /// The body of `POST /echo`.
    var echoBody = 16 << 30
    /// `/bytes/N`.
    var bytes = 16 << 30
    /// `/sleep/MS`.
    var sleepMilliseconds = 60_000
}
#endif
