#if NIO && os(Linux)
internal import CStickyNIO
internal import Glibc
internal import Logging
public import NIOCore
internal import StickyServer
public import StickyTLS
internal import Synchronization

/// A connection on a ``StickyEventLoop``: socket and TLS in one channel. Handlers see plaintext.
///
/// Made by ``NIOConnectionHandler``. With TLS the pipeline is made, and the initializer called, when the handshake is
/// complete, so that scanners and failed handshakes cost no handlers. What handlers see is otherwise what they see
/// behind ``OpenSSLServerHandler`` or ``LingeringCloseHandler``.
///
/// Output is gathered: what handlers flush while an event is delivered leaves in one system call at its end.
///
/// Unchecked: what is not `let` or atomic is only touched on the loop. The methods that NIO allows on any thread go
/// through the pipeline or ``EventLoop/execute(_:)``, which bring them there; the pipeline and the promise of the end
/// are set before anybody else has the channel.
///
/// `@exclusivity(unchecked)`: what nearly every event touches would otherwise pay for a check each time, a tenth of a
/// small request's instructions. No access to one of these lasts over a call to a handler.
public final class StickyChannel: Channel, ChannelCore, @unchecked Sendable {
    /// So much is encrypted and sent at once.
    static let burst = 8 * PlaintextQueue.recordSize

    enum Phase {
        case handshake
        /// The initializer is at work.
        case preparing
        case open
        /// The handshake failed; there is no pipeline, and the client is only waited for.
        case refused
        case closed
    }

    let loop: StickyEventLoop
    let shared: LoopResources
    let setup: LeanSetup
    /// The facts of the hand-off.
    public let connection: StickyConnectionInfo

    // The socket.
    let descriptor: CInt
    @exclusivity(unchecked) var lease: ConnectionLease?
    @exclusivity(unchecked) var place: SourceTable.Place?
    var watchesOutput = false
    /// The system may have bytes for us.
    @exclusivity(unchecked) var mayRead = true
    /// The peer's end has come to the system, behind whatever it holds.
    var endIsNear = false
    var hasFault = false
    var shutdownIsDone = false

    @exclusivity(unchecked) var phase = Phase.handshake
    @exclusivity(unchecked) var session: TLSSession?
    var applicationProtocol: String?
    lazy var timer = ChannelTimer(self)

    // Receiving.
    @exclusivity(unchecked) var isInEvent = false
    @exclusivity(unchecked) var readPending = false
    @exclusivity(unchecked) var isDelivering = false
    @exclusivity(unchecked) var hasDelivered = false
    var receivedAny = false
    @exclusivity(unchecked) var undecrypted = 0
    @exclusivity(unchecked) var inbound: ByteBuffer?
    /// No more plaintext comes.
    @exclusivity(unchecked) var inputHasEnded = false
    /// The peer's TCP stream has ended, and everything before was taken.
    var socketInputHasEnded = false
    /// The system has said so; handlers may still have something to read before.
    var endWasRead = false
    /// The client's close_notify lies behind plaintext that waits.
    var closeNotifyWaits = false
    var goesOnLater = false

    // Sending.
    @exclusivity(unchecked) var queue = PlaintextQueue()
    /// Ciphertext that waits, before anything in the queue.
    @exclusivity(unchecked) var unsent: OutputBlock?
    /// `unsent` holds only session tickets, which wait for the first answer: alone they would cost a system call and a
    /// packet.
    var holdsTickets = false
    /// Promises of what `unsent` holds.
    @exclusivity(unchecked) var promisesInFlight: [EventLoopPromise<Void>] = []
    /// The system takes no more at the moment.
    var isBlocked = false
    /// The error of a send, told when no buffer of the loop is in use.
    var sendError: CInt = 0
    @exclusivity(unchecked) var isPumping = false
    @exclusivity(unchecked) var settlesLater = false

    // Ending.
    var outputCloseIsWanted = false
    var outputIsClosed = false
    @exclusivity(unchecked) var outputClosePromise: EventLoopPromise<Void>?
    var closeIsWanted = false
    var closeHasBegun = false
    var saidGoodbye = false
    var isLingering = false
    @exclusivity(unchecked) var closePromises: [EventLoopPromise<Void>] = []

    // Options.
    var autoRead = true
    var allowsHalfClosure = true
    var waterMark = ChannelOptions.Types.WriteBufferWaterMark(
        low: StickyChannel.burst / 2,
        high: 2 * StickyChannel.burst
    )
    var messagesPerRead = 4
    @exclusivity(unchecked) var receiveAllocator: (any RecvByteBufferAllocator)?
    var byteBufferAllocator = ByteBufferAllocator()

    @exclusivity(unchecked) private var madePipeline: ChannelPipeline?
    @exclusivity(unchecked) private var madeClosePromise: EventLoopPromise<Void>?
    /// While handlers may be called.
    @exclusivity(unchecked) var activePipeline: ChannelPipeline.SynchronousOperations?
    let activity = Atomic<Bool>(false)
    let writability = Atomic<Bool>(true)

    init(
        _ socket: consuming PausedSocket,
        _ info: StickyConnectionInfo,
        on loop: StickyEventLoop,
        _ setup: LeanSetup
    ) {
        self.loop = loop
        self.setup = setup
        shared = loop.shared
        connection = info
        let (descriptor, lease) = socket.detach()
        self.descriptor = descriptor
        self.lease = lease
    }

    // MARK: - Channel

    public var eventLoop: any EventLoop { loop }
    public var allocator: ByteBufferAllocator { byteBufferAllocator }
    public var parent: (any Channel)? { nil }
    public var isActive: Bool { activity.load(ordering: .relaxed) }
    public var isWritable: Bool { writability.load(ordering: .relaxed) }
    public var _channelCore: any ChannelCore { self }

    public var pipeline: ChannelPipeline {
        if let madePipeline { return madePipeline }
        let pipeline = ChannelPipeline(channel: self)
        madePipeline = pipeline
        return pipeline
    }

    public var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }

    var closePromise: EventLoopPromise<Void> {
        if let madeClosePromise { return madeClosePromise }
        let promise = loop.makePromise(of: Void.self)
        madeClosePromise = promise
        return promise
    }

    var hasPipeline: Bool { madePipeline != nil }

    /// The address that came with the hand-off; no system call.
    public var localAddress: NIOCore.SocketAddress? { NIOCore.SocketAddress(connection.local) }
    /// The address that came with the hand-off; no system call.
    public var remoteAddress: NIOCore.SocketAddress? { NIOCore.SocketAddress(connection.peer) }

    /// What client and server agreed on; nil without TLS. On the loop only.
    public var tlsInfo: TLSConnectionInfo? { session?.info }

    // MARK: - Beginning

    /// Takes the socket into the loop. On the loop.
    func adopt(prelude: [UInt8]) {
        // What comes with a lease comes from the master, which accepted it. Others are looked at.
        guard lease != nil || ChannelSetup.isStreamSocket(descriptor) else {
            return abandon("its descriptor is no stream socket")
        }
        if let context = setup.tls {
            do throws(TLSError) {
                session = try TLSSession(context)
            } catch {
                return abandon("\(error)", level: error.code == .tooManyHandshakes ? .debug : .error)
            }
        }
        // Output is only watched while it is blocked: watched always, every new socket would wake the loop at once.
        let inputEvents = STICKY_EPOLL_IN | STICKY_EPOLL_RDHUP | STICKY_EPOLL_EDGE
        guard let place = loop.watch(self, descriptor, inputEvents) else {
            return abandon("its descriptor cannot be watched: errno \(errno)")
        }
        self.place = place
        shared.add(self)
        if let deadline = session?.handshakeDeadline {
            set(.handshake, TimeAmount(deadline))
            if prelude.isEmpty { return readLater() }
        }
        isInEvent = true
        if session == nil { prepare() }
        if !prelude.isEmpty { prelude.withUnsafeBytes { take($0) } }
        readBurst()
        isInEvent = false
        settle()
    }

    private func abandon(_ reason: String, level: Logger.Level = .error) {
        phase = .closed
        setup.logger.log(
            level: level,
            "a connection was dropped: \(reason)",
            metadata: ["peer": "\(connection.peer)", "descriptor": "\(descriptor)"]
        )
        shutdown(descriptor, CInt(SHUT_RDWR))
        Glibc.close(descriptor)
        lease = nil
    }
}

extension NIOCore.SocketAddress {
    /// The same address in NIO's type; nil for a Unix socket's peer without a name.
    init?(_ address: StickyAddress) {
        guard let port = address.port else {
            guard !address.host.isEmpty, let made = try? Self(unixDomainSocketPath: address.host) else { return nil }
            self = made
            return
        }
        let host = address.host.prefix { $0 != "%" }
        guard let made = try? Self(ipAddress: String(host), port: Int(port)) else { return nil }
        self = made
    }
}
#endif
