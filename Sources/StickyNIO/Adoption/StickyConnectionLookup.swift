#if NIO
public import NIOCore
public import StickyTLS

extension ChannelPipeline.SynchronousOperations {
    /// The facts of the hand-off; nil when the channel was not adopted from a paused socket. On the loop only.
    ///
    /// It searches the pipeline: ask once for a connection and keep the answer.
    public var stickyConnection: StickyConnectionInfo? {
        #if os(Linux)
        if eventLoop is StickyEventLoop {
            let question = ConnectionQuestion()
            triggerUserOutboundEvent(question, promise: nil)
            return question.connection
        }
        #endif
        if let handler = try? handler(type: OpenSSLServerHandler.self) { return handler.connection }
        return try? handler(type: LingeringCloseHandler.self).connection
    }

    /// What client and server agreed on; nil without TLS and before the handshake is complete. On the loop only.
    ///
    /// It searches the pipeline, and makes several strings: ask once for a connection and keep the answer.
    public var stickyTLS: TLSConnectionInfo? {
        #if os(Linux)
        if eventLoop is StickyEventLoop {
            let question = ConnectionQuestion()
            triggerUserOutboundEvent(question, promise: nil)
            return question.tls
        }
        #endif
        return (try? handler(type: OpenSSLServerHandler.self))?.info
    }
}

extension ChannelHandlerContext {
    /// The facts of the hand-off; nil when the channel was not adopted from a paused socket. On the loop only.
    ///
    /// It may search the pipeline: ask once for a connection and keep the answer.
    public var stickyConnection: StickyConnectionInfo? {
        #if os(Linux)
        if let channel = channel as? StickyChannel { return channel.connection }
        #endif
        return pipeline.syncOperations.stickyConnection
    }

    /// What client and server agreed on; nil without TLS and before the handshake is complete. On the loop only.
    ///
    /// It may search the pipeline, and makes several strings: ask once for a connection and keep the answer.
    public var stickyTLS: TLSConnectionInfo? {
        #if os(Linux)
        if let channel = channel as? StickyChannel { return channel.tlsInfo }
        #endif
        return pipeline.syncOperations.stickyTLS
    }
}

/// Goes through a pipeline to its channel and comes back with the facts: a pipeline does not say which channel it
/// belongs to.
final class ConnectionQuestion {
    var connection: StickyConnectionInfo?
    var tls: TLSConnectionInfo?
}
#endif
