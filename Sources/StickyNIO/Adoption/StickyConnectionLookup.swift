#if NIO
public import NIOCore

extension ChannelPipeline.SynchronousOperations {
    /// The facts of the hand-off; nil when the channel was not adopted from a paused socket. On the loop only.
    ///
    /// It searches the pipeline: ask once for a connection and keep the answer.
    public var stickyConnection: StickyConnectionInfo? {
        if let handler = try? handler(type: OpenSSLServerHandler.self) { return handler.connection }
        return try? handler(type: LingeringCloseHandler.self).connection
    }
}

extension ChannelHandlerContext {
    /// The facts of the hand-off; nil when the channel was not adopted from a paused socket. On the loop only.
    ///
    /// It searches the pipeline: ask once for a connection and keep the answer.
    public var stickyConnection: StickyConnectionInfo? { pipeline.syncOperations.stickyConnection }
}
#endif
