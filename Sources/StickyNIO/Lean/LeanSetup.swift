#if NIO && os(Linux)
internal import Logging
internal import NIOCore
internal import StickyServer
internal import StickyTLS

/// What all channels of a handler have in common.
final class LeanSetup: Sendable {
    let tls: TLSContext?
    let logger: Logger
    let initializer: NIOConnectionHandler.Initializer
    let limits: LingeringClose.Limits

    init(
        tls: TLSContext?,
        logger: Logger,
        limits: LingeringClose.Limits = LingeringClose.Limits(),
        initializer: @escaping NIOConnectionHandler.Initializer
    ) {
        self.tls = tls
        self.logger = logger
        self.limits = limits
        self.initializer = initializer
    }

    /// On the loop.
    func adopt(_ socket: consuming PausedSocket, _ info: StickyConnectionInfo, on loop: StickyEventLoop) {
        let prelude = socket.prelude
        StickyChannel(socket, info, on: loop, self).adopt(prelude: prelude)
    }
}

/// The one timer of a channel, used for what it waits for at the moment.
final class ChannelTimer: LoopTimer, @unchecked Sendable {
    enum Purpose {
        case none
        /// The end of the handshake.
        case handshake
        /// The peer taking some of what is left.
        case stall(left: Int)
        /// The peer's end.
        case linger
    }

    var purpose = Purpose.none
    // The channel unsets its timer before it goes.
    private unowned let channel: StickyChannel

    init(_ channel: StickyChannel) {
        self.channel = channel
        super.init(.distantFuture)
    }

    override func fire() {
        let due = purpose
        purpose = .none
        channel.timeIsUp(due)
    }
}
#endif
