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

    /// Starts event loops of this kind. Ends the process if the system has no threads or descriptors left, as NIO does.
    public func makeGroup(numberOfThreads: Int = 1) -> any EventLoopGroup {
        #if os(Linux)
        if self == .lean {
            do {
                return try StickyEventLoopGroup(numberOfThreads: numberOfThreads)
            } catch {
                fatalError("no event loop can be started: \(error)")
            }
        }
        #endif
        return MultiThreadedEventLoopGroup(numberOfThreads: numberOfThreads)
    }
}
#endif
