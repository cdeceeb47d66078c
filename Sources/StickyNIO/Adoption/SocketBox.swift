#if NIO
internal import StickyServer
internal import Synchronization

/// Carries a paused socket into a closure, which a non-copyable value cannot enter. If the closure never runs, because
/// its loop has ended, the box ends the connection.
final class SocketBox: Sendable {
    private let socket: Mutex<PausedSocket?>

    init(_ socket: consuming PausedSocket) {
        self.socket = Mutex(socket)
    }

    /// The socket, to the first who asks.
    func take() -> PausedSocket? {
        socket.withLock { $0.take() }
    }
}
#endif
