/// A paused socket in the master's hands, with what is needed to find it another slot.
struct HeldSocket: ~Copyable, Sendable {
    let socket: PausedSocket
    let route: Route
    let arrived: ContinuousClock.Instant
    let tag: ConnectionTag

    init(
        _ socket: consuming PausedSocket,
        route: Route,
        arrived: ContinuousClock.Instant,
        tag: ConnectionTag = .none
    ) {
        self.socket = socket
        self.route = route
        self.arrived = arrived
        self.tag = tag
    }

    /// The same socket, sent elsewhere for another reason.
    consuming func with(reason: RouteReason) -> HeldSocket {
        let (route, arrived, tag) = (self.route, self.arrived, self.tag)
        return HeldSocket(socket.with(reason: reason), route: route, arrived: arrived, tag: tag)
    }

    /// The same socket, belonging to another slot.
    consuming func with(home: Int) -> HeldSocket {
        let route = Route(home: home, hash: self.route.hash, reason: self.route.reason)
        let (arrived, tag) = (self.arrived, self.tag)
        return HeldSocket(socket, route: route, arrived: arrived, tag: tag)
    }

    consuming func takeSocket() -> PausedSocket { socket }
}

extension PausedSocket {
    consuming func with(reason: RouteReason) -> PausedSocket {
        let (peer, local, listener, prelude, hops, lease) = (peer, local, listener, prelude, hops, lease)
        return PausedSocket(
            connection: connection,
            peer: peer,
            local: local,
            listener: listener,
            reason: reason,
            prelude: prelude,
            hops: hops,
            lease: lease
        )
    }

    /// Closes this process's copy and leaves the connection to the process that receipted it.
    consuming func release() {
        connection.release()
    }
}
