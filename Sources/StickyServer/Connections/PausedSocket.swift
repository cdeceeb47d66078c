/// An accepted connection from which nobody has read a byte for themselves.
///
/// The value owns its descriptor: there is exactly one owner at a time, and dropping the value ends the connection.
/// The socket is non-blocking and close-on-exec.
public struct PausedSocket: ~Copyable, Sendable {
    let connection: OwnedConnection
    /// The client's address as the master accepted it.
    public let peer: SocketAddress
    /// The address of this end that the client connected to.
    public let local: SocketAddress
    /// Which of ``Configuration/listeners`` accepted it, counted from 0.
    public let listener: Int
    /// Why the connection came to this slot.
    public let reason: RouteReason
    /// Bytes that were read on the way here and must be seen before anything that the socket still holds.
    public let prelude: [UInt8]
    /// How often workers have handed the connection on to another slot. At most one, so nothing circles.
    public let hops: Int
    let lease: ConnectionLease?

    /// Makes a paused socket from a connected, non-blocking descriptor.
    ///
    /// Servers do not need this: their sockets come through ``ConnectionHandler/addConnection(_:)``. Tests and other
    /// acceptors do.
    public init(
        connection: consuming OwnedConnection,
        peer: SocketAddress,
        local: SocketAddress,
        listener: Int = 0,
        reason: RouteReason = .address,
        prelude: [UInt8] = [],
        hops: Int = 0
    ) {
        self.init(
            connection: connection,
            peer: peer,
            local: local,
            listener: listener,
            reason: reason,
            prelude: prelude,
            hops: hops,
            lease: nil
        )
    }

    init(
        connection: consuming OwnedConnection,
        peer: SocketAddress,
        local: SocketAddress,
        listener: Int,
        reason: RouteReason,
        prelude: [UInt8],
        hops: Int,
        lease: ConnectionLease?
    ) {
        self.connection = connection
        self.peer = peer
        self.local = local
        self.listener = listener
        self.reason = reason
        self.prelude = prelude
        self.hops = hops
        self.lease = lease
    }

    /// The descriptor's number, for calls that look at the socket or set options. Valid while this value lives.
    public var descriptor: CInt { connection.number }

    /// Takes the socket apart, for code that keeps descriptors by number.
    ///
    /// The caller must close `descriptor`, and should keep `lease` for as long as the connection is open: the worker
    /// counts the connection until the lease goes, and waits for it while draining.
    public consuming func detach() -> (descriptor: CInt, lease: ConnectionLease?) {
        let lease = self.lease
        return (connection.relinquish(), lease)
    }
}

/// Counts one open connection of a worker until the last reference to it is gone.
///
/// Draining waits for every lease. Safe to release on any thread.
public final class ConnectionLease: Sendable {
    private let onEnd: @Sendable () -> Void

    init(onEnd: @escaping @Sendable () -> Void) {
        self.onEnd = onEnd
    }

    deinit {
        onEnd()
    }
}
