#if NIO
public import StickyServer

/// The address type of StickyServer under a name of its own: NIO has a `SocketAddress` too.
public typealias StickyAddress = SocketAddress

/// What is known of an adopted connection without asking the system: it came with the hand-off.
///
/// The channel's initializer gets it; a handler finds it by `ChannelHandlerContext.stickyConnection`.
public struct StickyConnectionInfo: Sendable {
    /// The client's address as the master accepted it.
    public let peer: StickyAddress
    /// The address of this end that the client connected to.
    public let local: StickyAddress
    /// The slot that serves the connection.
    public let slot: Int
    /// Which start of the slot's process serves it, from 1.
    public let generation: Int
    /// Which of the configuration's listeners accepted it, from 0.
    public let listener: Int
    /// Why it came to this slot.
    public let reason: RouteReason
    /// How often workers handed it on before it came here.
    public let hops: Int

    /// Puts the facts together, as tests of channel initializers do.
    public init(
        peer: StickyAddress,
        local: StickyAddress,
        slot: Int = 0,
        generation: Int = 1,
        listener: Int = 0,
        reason: RouteReason = .address,
        hops: Int = 0
    ) {
        self.peer = peer
        self.local = local
        self.slot = slot
        self.generation = generation
        self.listener = listener
        self.reason = reason
        self.hops = hops
    }

    init(_ socket: borrowing PausedSocket, slot: Int, generation: Int) {
        self.init(
            peer: socket.peer,
            local: socket.local,
            slot: slot,
            generation: generation,
            listener: socket.listener,
            reason: socket.reason,
            hops: socket.hops
        )
    }
}
#endif
