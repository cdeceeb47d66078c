#if NIO
public import Logging
public import NIOCore
public import StickyServer
public import StickyTLS
internal import Synchronization

/// Serves a worker's connections as NIO channels: each paused socket becomes a channel on one of the group's event
/// loops, with TLS in front when a context is given.
///
/// ```swift
/// let handler = NIOConnectionHandler(tls: try TLSContext(configuration)) { channel, connection in
///     channel.eventLoop.makeCompletedFuture {
///         try channel.pipeline.syncOperations.addHandler(MyHandler(client: connection.peer))
///     }
/// }
/// try await server.work(handler)
/// ```
///
/// The initializer sees an empty pipeline as far as it is concerned: its handlers get plaintext. The channel allows
/// half-closure by the peer (`ChannelEvent.inputClosed`), closes with patience so that answers arrive whole, and hears
/// ``StickyDrainEvent`` when the worker stops.
public final class NIOConnectionHandler: ConnectionHandler {
    /// Prepares the pipeline of a new channel, on the channel's loop. A failed future closes the connection.
    public typealias Initializer = @Sendable (any Channel, StickyConnectionInfo) -> EventLoopFuture<Void>

    private struct Loop: Sendable {
        let loop: any EventLoop
        let connections: NIOLoopBoundBox<LoopConnections>
    }

    /// Why there is none is what `start` throws.
    private let group: Result<any EventLoopGroup, any Error>
    private let ownsGroup: Bool
    private let loops: [Loop]
    private let next = Atomic<Int>(0)
    private let slot = Atomic<Int>(0)
    private let generation = Atomic<Int>(1)
    private let setup: ChannelSetup
    #if os(Linux)
    private let lean: LeanSetup
    #endif

    /// Prepares to serve. Make it in the worker, not in the master: without a group it starts a thread.
    ///
    /// - Parameters:
    ///   - group: Where channels live; nil means one event loop of the handler's own. It must be made of NIOPosix loops
    ///     or of ``StickyEventLoop``s.
    ///   - transport: Which kind of event loop to make when there is no group.
    ///   - tls: What TLS connections share; nil serves in the clear.
    ///   - logger: Where failed handshakes and failed initializers go, one line each.
    ///   - initializer: Prepares the pipeline of each channel.
    public init(
        group: (any EventLoopGroup)? = nil,
        transport: NIOTransport = .lean,
        tls: TLSContext? = nil,
        logger: Logger = Logger(label: "sticky.nio"),
        initializer: @escaping Initializer
    ) {
        self.group = Result { try group ?? transport.makeGroup() }
        ownsGroup = group == nil
        loops =
            (try? self.group.get())?.makeIterator().map { loop in
                Loop(loop: loop, connections: .makeBoxSendingValue(LoopConnections(), eventLoop: loop))
            } ?? []
        setup = ChannelSetup(tls: tls, logger: logger, initializer: initializer)
        #if os(Linux)
        lean = LeanSetup(tls: tls, logger: logger, initializer: initializer)
        #endif
    }

    /// Remembers the worker's place, and takes the master's ticket keys. Called by the server. Throws the system's error
    /// when no event loop could be started.
    public func start(_ worker: Worker) async throws {
        _ = try group.get()
        setup.tls?.attach(to: worker)
        slot.store(worker.slot, ordering: .releasing)
        generation.store(worker.generation, ordering: .releasing)
    }

    /// Adopts a paused socket on the next loop. Called by the server; safe on any thread.
    public func addConnection(_ socket: consuming PausedSocket) {
        // No connection comes before `start` has returned.
        let info = StickyConnectionInfo(
            socket,
            slot: slot.load(ordering: .acquiring),
            generation: generation.load(ordering: .acquiring)
        )
        // Without one the handler did not start, and the socket ends here.
        guard !loops.isEmpty else { return }
        let loop = loops[loops.count == 1 ? 0 : next.add(1, ordering: .relaxed).oldValue % loops.count]
        #if os(Linux)
        if let loop = loop.loop as? StickyEventLoop { return adopt(socket, info, on: loop) }
        #endif
        let box = SocketBox(socket)
        loop.loop.execute { [setup] in
            guard let socket = box.take() else { return }
            setup.adopt(socket, info, on: loop.loop, loop.connections)
        }
    }

    #if os(Linux)
    /// The loop, if there is only one.
    var onlyLoop: (any EventLoop)? { loops.count == 1 ? loops[0].loop : nil }

    private func adopt(_ socket: consuming PausedSocket, _ info: StickyConnectionInfo, on loop: StickyEventLoop) {
        if loop.inEventLoop { return lean.adopt(socket, info, on: loop) }
        let box = SocketBox(socket)
        loop.execute { [lean] in
            guard let socket = box.take() else { return }
            lean.adopt(socket, info, on: loop)
        }
    }
    #endif

    /// Sends ``StickyDrainEvent`` through every open channel, spread over `request.spread`. Called by the server.
    public func drain(_ request: DrainRequest) {
        for loop in loops {
            loop.loop.execute {
                #if os(Linux)
                if let loop = loop.loop as? StickyEventLoop { return loop.shared.drain(StickyDrainEvent(request)) }
                #endif
                loop.connections.value.drain(StickyDrainEvent(request))
            }
        }
    }

    /// Answers when every loop has turned. Called by the server.
    public func checkHealth(_ answer: @escaping @Sendable () -> Void) {
        let waiting = HealthCheck(loops.count, answer)
        for loop in loops {
            loop.loop.execute { waiting.loopTurned() }
        }
    }

    /// The number of open channels. For tests and statistics.
    public func openChannels() async throws -> Int {
        var count = 0
        for loop in loops {
            count += try await loop.loop.submit {
                #if os(Linux)
                if let loop = loop.loop as? StickyEventLoop { return loop.shared.count }
                #endif
                return loop.connections.value.count
            }.get()
        }
        return count
    }

    /// Ends the handler's own event loop. A worker need not call it: its process ends.
    public func shutdown() async throws {
        if ownsGroup { try await group.get().shutdownGracefully() }
    }
}

/// Counts the loops that have answered.
private final class HealthCheck: Sendable {
    private let left: Atomic<Int>
    private let answer: @Sendable () -> Void

    init(_ count: Int, _ answer: @escaping @Sendable () -> Void) {
        left = Atomic(count)
        self.answer = answer
    }

    func loopTurned() {
        if left.subtract(1, ordering: .relaxed).newValue == 0 { answer() }
    }
}
#endif
