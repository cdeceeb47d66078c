#if NIO
public import NIOCore
internal import NIOPosix

/// What carries a worker's connections.
public enum NIOTransport: String, Sendable, CaseIterable {
    /// NIOPosix's event loops and sockets, with TLS as a handler.
    case stock
    /// ``StickyEventLoop`` and ``StickyChannel``, with TLS inside the channel: fewer system calls, less CPU. Linux only;
    /// elsewhere it is ``stock``.
    case lean

    /// Starts event loops of this kind.
    ///
    /// Throws the system's error when it has no threads or descriptors left. (``stock`` ends the process then: NIO
    /// does.)
    public func makeGroup(numberOfThreads: Int = 1) throws -> any EventLoopGroup {
        #if os(Linux)
        if self == .lean { return try StickyEventLoopGroup(numberOfThreads: numberOfThreads) }
        #endif
        return MultiThreadedEventLoopGroup(numberOfThreads: numberOfThreads)
    }
}
#endif
