#if NIO
package import NIOCore

extension EventLoop {
    /// What an initializer returns that prepares its channel at once: as `makeCompletedFuture(withResultOf:)`, but success
    /// makes no future where the loop keeps one. On the loop.
    package func makePreparedFuture(_ prepare: () throws -> Void) -> EventLoopFuture<Void> {
        do {
            try prepare()
            return makeSucceededVoidFuture()
        } catch {
            return makeFailedFuture(error)
        }
    }
}
#endif
