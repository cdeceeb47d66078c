internal import CStickyServer
internal import Synchronization

/// The worker's side of the cluster: who it is, and how it speaks to the others. Safe on any thread.
public final class Worker: Sendable {
    /// The place of this worker, 0 ..< ``slots``, which outlives its process.
    public let slot: Int
    /// How many slots the server has.
    public let slots: Int
    /// Counts the starts of this slot's process, from 1.
    public let generation: Int

    let control: ControlSocket
    let wakePipe: WakePipe
    let maximumMessageLength: Int
    let outbox: Mutex<OutboundQueue>
    let requests = RequestTable()
    /// Those who wait until the outbox has room.
    let room = RequestTable()
    private let transport: ClusterTransport
    /// What the master shares with all workers.
    public let shared = SharedState()
    /// Publish and subscribe among all workers.
    public let bus: TopicBus
    private let open = Atomic<Int>(0)
    /// Counted connections that have ended and were not reported.
    private let ended = Mutex<[ConnectionTag]>([])
    private let draining = Atomic<Bool>(false)
    private let replacementIsWanted = Atomic<Bool>(false)
    private let readyIsWanted = Atomic<Bool>(false)
    private let endIsWanted = Atomic<Bool>(false)

    init(_ environment: WorkerEnvironment, configuration: Configuration) throws(StickyServerError) {
        slot = environment.slot
        slots = environment.slots
        generation = environment.generation
        control = ControlSocket(owning: environment.control)
        wakePipe = try WakePipe()
        maximumMessageLength = configuration.maximumMessageLength
        outbox = Mutex(OutboundQueue(limit: configuration.messageQueueLimit))
        let link = WorkerLink()
        transport = ClusterTransport { envelope throws(StickyServerError) in
            guard let worker = link.worker.withLock({ $0.value }) else { return }
            try worker.send(envelope)
        } waitingSender: { envelope, limit in
            try await link.worker.withLock({ $0.value })?.send(envelope, waitingAtMost: limit)
        }
        bus = TopicBus(transport: transport)
        link.worker.withLock { $0.value = self }
    }

    /// Connections that this worker has and whose lease is not gone.
    public var openConnections: Int { open.load(ordering: .relaxed) }

    /// Whether the worker takes no more connections and ends when the last one does.
    public var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// Asks for a successor, as a worker does that has grown too large or too old: once that is ready, this worker gets
    /// no more connections, finishes what it has and ends. If the successor fails, this worker serves on.
    public func requestReplacement() {
        replacementIsWanted.store(true, ordering: .relaxed)
        wakePipe.wake()
    }

    /// Ends this worker without a drain, as one does that cannot serve any more: no more connections are taken,
    /// ``ConnectionHandler/finish()`` is called, and `work` returns or throws what that throws. Open connections end
    /// with the process.
    public func end() {
        endIsWanted.store(true, ordering: .relaxed)
        wakePipe.wake()
    }

    /// Hands a connection on to the slot that it belongs to, with the bytes that were read from it so far.
    ///
    /// A connection is handed on at most once. Throws `rehomeRefused`; the connection has ended then.
    public func rehome(
        _ socket: consuming PausedSocket,
        to slot: Int,
        prelude: [UInt8]? = nil
    ) throws(StickyServerError) {
        var entry = ConnectionEntry(socket)
        if let prelude { entry.prelude = prelude }
        guard entry.hops == 0 else {
            throw StickyServerError(.rehomeRefused, "the connection of \(entry.peer) was handed on before")
        }
        guard entry.prelude.count <= ConnectionEntry.maximumPrelude, let target = UInt16(exactly: slot) else {
            throw StickyServerError(
                .rehomeRefused,
                "cannot hand on \(entry.prelude.count) bytes to slot \(slot): at most "
                    + "\(ConnectionEntry.maximumPrelude) bytes can travel with a connection"
            )
        }
        var writer = FrameWriter()
        Frame.begin(.rehome, in: &writer)
        writer.append(target)
        entry.write(to: &writer)
        Frame.finish(&writer)
        switch control.send(writer.bytes, descriptors: [socket.descriptor]) {
        case .done:
            socket.release()
        case .full, .busy:
            throw StickyServerError(.rehomeRefused, "the master is too busy to take the connection of \(entry.peer)")
        case .lost(let errno):
            throw .system(.controlSocketLost, "the master is gone", errno)
        }
    }

    // MARK: - For the control loop

    /// Takes what the handler need not see: answers and publications. False for the rest.
    func absorb(_ envelope: Envelope) -> Bool {
        switch envelope.kind {
        case .response:
            // Room that was found too late must not be kept for nobody; of other requests the master knows nothing.
            if !requests.answer(envelope.request, envelope.payload), envelope.party == Envelope.master {
                giveUp(envelope.request)
            }
        case .refusal: requests.refuse(envelope.request)
        case .publication: transport.deliver(envelope.payload)
        case .shared:
            if let (name, value) = NamedBytes.decode(envelope.payload) { shared.set(name, value) }
        case .plain, .request, .reserve, .release: return false
        }
        return true
    }

    func makeLease(_ tag: ConnectionTag = .none) -> ConnectionLease {
        open.add(1, ordering: .relaxed)
        return ConnectionLease { [self] in
            if tag != .none { noteEnd(of: tag) }
            let left = open.subtract(1, ordering: .acquiringAndReleasing).newValue
            if left == 0, isDraining { wakePipe.wake() }
        }
    }

    /// The first of many wakes the control loop, which reports them all.
    private func noteEnd(of tag: ConnectionTag) {
        let isFirst = ended.withLock { ended in
            ended.append(tag)
            return ended.count == 1
        }
        if isFirst { wakePipe.wake() }
    }

    /// The counted connections that have ended since the last call.
    func takeEnded() -> [ConnectionTag] {
        ended.withLock { ended in
            defer { ended = [] }
            return ended
        }
    }

    var isEnding: Bool { endIsWanted.load(ordering: .relaxed) }

    func markDraining() {
        draining.store(true, ordering: .relaxed)
    }

    /// True once for each request.
    func takeReplacementRequest() -> Bool {
        replacementIsWanted.exchange(false, ordering: .relaxed)
    }

    /// The handler has started: connections may come.
    func announceReady() {
        readyIsWanted.store(true, ordering: .releasing)
        wakePipe.wake()
    }

    /// True once, when the handler has started.
    func takeReady() -> Bool {
        readyIsWanted.exchange(false, ordering: .acquiring)
    }

    /// Sends a frame of the control loop itself, behind the messages that wait.
    func post(_ frame: [UInt8]) {
        outbox.withLock { $0.append(frame) }
    }

    func flushOutbox() -> ControlSocket.Outcome {
        let outcome = outbox.withLock { outbox in outbox.flush { control.send($0) } }
        room.answerAll()
        return outcome
    }

    var hasOutbound: Bool { outbox.withLock { !$0.isEmpty } }
}

/// The transport needs the worker, which owns it.
private final class WorkerLink: Sendable {
    struct Weak: Sendable {
        weak var value: Worker?
    }

    let worker = Mutex(Weak(value: nil))
}
