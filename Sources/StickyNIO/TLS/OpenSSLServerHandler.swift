#if NIO
public import Logging
public import NIOCore
public import StickyTLS

/// The server side of TLS in a pipeline, on the system's OpenSSL: ciphertext towards the channel, plaintext towards
/// the application.
///
/// Events and errors that the application sees:
/// * `TLSUserEvent.handshakeCompleted(negotiatedProtocol:)`, before any plaintext;
/// * `TLSUserEvent.shutdownCompleted` when the client's close_notify arrives. It ends only the client's direction
///   (RFC 8446 section 6.1): with half-closure allowed on the channel `ChannelEvent.inputClosed` follows, and the
///   answer can still be written; otherwise the channel is closed;
/// * the error ``TLSTruncatedError`` when the client's stream ends without close_notify, then `inputClosed`;
/// * the error `TLSFailure` or ``TLSHandshakeError`` when the connection cannot go on. The handler closes it by itself.
///
/// Writes before the handshake are kept and sent after it. `close(mode: .output)` sends what was written, then
/// close_notify, and still receives. `close()` does the same and then waits for the client's end, for at most 2 s, so
/// that an answer is never cut by a reset. Every promise is kept exactly once.
///
/// Plaintext waits in the handler while the channel is not writable, so `Channel.isWritable` tells the application the
/// truth. Before the handshake the channel does not know of what waits here; the deadline bounds it.
public final class OpenSSLServerHandler: ChannelDuplexHandler {
    /// Ciphertext.
    public typealias InboundIn = ByteBuffer
    /// Plaintext.
    public typealias InboundOut = ByteBuffer
    /// Plaintext. A file is read, on the event loop, when its turn comes.
    public typealias OutboundIn = IOData
    /// Ciphertext.
    public typealias OutboundOut = ByteBuffer

    /// Plaintext that is encrypted for one write to the channel.
    static let burst = 8 * PlaintextQueue.recordSize

    enum State {
        case handshake
        case open
        /// Our close_notify was sent, the client's direction goes on.
        case outputClosed
        /// Nothing is received any more and what is left is sent.
        case closing
        case closed
    }

    /// The facts of the hand-off, when the channel was adopted.
    public let connection: StickyConnectionInfo?

    let tls: TLSContext
    let logger: Logger
    let buffers: BufferPool
    let closing: LingeringClose
    var session: TLSSession
    var state = State.handshake
    var handshakeTimer: NIOScheduledCallback?
    /// While the handshake is in progress.
    private(set) var watch: HandshakeWatch?
    /// Shared by the connections of a loop.
    let handshakes: HandshakeQueue?
    /// Ciphertext that goes out with the next write to the channel.
    var staged: ByteBuffer?

    // Receiving.
    var isDecrypting = false
    /// Bytes of the handshake wait for others to have their turn.
    var waitsForTurn = false
    /// A wish to read that was not passed on before the turn.
    var readIsWithheld = false
    /// Ciphertext that came while another piece was being decrypted, or before the turn.
    var waitingInput: ByteBuffer?
    /// Ciphertext since plaintext was last produced: a bound for what comes next.
    var undecrypted = 0
    var receivedAny = false
    /// The session has had bytes.
    var hasAnswered = false
    var hasDelivered = false
    var readIsWanted = false
    /// The client's direction has ended, by close_notify or by TCP.
    var inputHasEnded = false
    var socketInputHasEnded = false

    // Sending.
    var queue = PlaintextQueue()
    var isEncrypting = false
    var outputCloseIsWanted = false
    var outputClosePromise: EventLoopPromise<Void>?
    /// `close` was called, or the connection failed.
    var closeIsWanted = false
    /// The tick in which it was called is over: nothing more is taken from the application.
    var closeHasBegun = false

    private let handshakeTimeout: TimeAmount

    /// Begins a TLS session for one channel.
    ///
    /// - Parameters:
    ///   - context: What the connections of the worker share. Its configuration's `handshakeDeadline` counts from the
    ///     moment when the handler is added.
    ///   - connection: The facts of the hand-off, for log lines and for handlers.
    ///   - logger: Where a failed handshake goes: one line at info.
    public convenience init(
        context: TLSContext,
        connection: StickyConnectionInfo? = nil,
        logger: Logger = Logger(label: "sticky.tls")
    ) throws(TLSError) {
        try self.init(
            context: context,
            connection: connection,
            logger: logger,
            buffers: BufferPool(keepsBuffers: false),
            handshakes: nil
        )
    }

    init(
        context: TLSContext,
        connection: StickyConnectionInfo?,
        logger: Logger,
        buffers: BufferPool,
        handshakes: HandshakeQueue?,
        limits: LingeringClose.Limits = LingeringClose.Limits()
    ) throws(TLSError) {
        session = try TLSSession(context)
        tls = context
        self.connection = connection
        self.logger = logger
        self.buffers = buffers
        self.handshakes = handshakes
        closing = LingeringClose(limits: limits)
        handshakeTimeout = TimeAmount(session.handshakeDeadline)
    }

    /// What was agreed on; nil before the handshake is complete. On the channel's loop only.
    public var info: TLSConnectionInfo? { session.info }

    public func handlerAdded(context: ChannelHandlerContext) {
        let watch = HandshakeWatch(self, context)
        self.watch = watch
        // Fails only on a loop that ends, and the channel with it.
        handshakeTimer = try? context.eventLoop.scheduleCallback(in: handshakeTimeout, handler: watch)
        session.waitForClient(watch)
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        // Not for a hello: nobody is left to answer to, and a flood of them would go ahead of others.
        if waitsForTurn, hasAnswered { takeTurn(context) }
        let wasUnexpected = !inputHasEnded && !closeIsWanted
        let before = state
        end()
        if before == .handshake {
            if !closeIsWanted { handshakeAbandoned(context) }
        } else if wasUnexpected, before == .open || before == .outputClosed {
            context.fireErrorCaught(TLSTruncatedError())
        }
        context.fireChannelInactive()
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            socketInputHasEnded = true
            // A piece that is being decrypted comes first; the end is looked at after it.
            if !isDecrypting, !waitsForTurn { endOfInput(context) }
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { encrypt(context) }
        context.fireChannelWritabilityChanged()
    }

    /// The session is over: nothing comes, nothing goes, and every promise is kept.
    private func end() {
        state = .closed
        handshakeEnded()
        waitingInput = nil
        staged = nil
        failWrites(ChannelError.ioOnClosedChannel)
        outputClosePromise?.fail(ChannelError.ioOnClosedChannel)
        outputClosePromise = nil
        closing.ended()
    }

    func handshakeEnded() {
        handshakeTimer?.cancel()
        handshakeTimer = nil
        watch = nil
        waitsForTurn = false
        session.giveUpHandshake()
    }

    func failWrites(_ error: any Error) {
        for promise in queue.removeAll() { promise.fail(error) }
    }
}

@available(*, unavailable)
extension OpenSSLServerHandler: Sendable {}
#endif
