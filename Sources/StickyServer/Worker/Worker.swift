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
    private let maximumMessageLength: Int
    private let outbox: Mutex<OutboundQueue>
    private let requests = RequestTable()
    private let transport: ClusterTransport
    /// What the master shares with all workers.
    public let shared = SharedState()
    /// Publish and subscribe among all workers.
    public let bus: TopicBus
    private let open = Atomic<Int>(0)
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

    /// Sends bytes to the master, to another slot or to all others, in order.
    ///
    /// Throws `messageTooLarge`, or `messageQueueFull` when the master does not keep up; nothing was sent then. Whether
    /// the receiver is alive is not known here: the master tells it as ``MasterEvent/messageDropped(from:to:bytes:)``.
    public func send(_ payload: [UInt8], to target: MessageTarget = .master) throws(StickyServerError) {
        try send(Envelope(party: target.party, payload: payload))
    }

    /// Asks the master or another slot, and waits for the answer at most for `timeout`.
    ///
    /// Throws what ``send(_:to:)`` throws, `requestRefused` when the receiver is gone or answers no requests, and
    /// `requestTimedOut`.
    public func request(
        _ payload: [UInt8],
        to target: MessageTarget = .master,
        timeout: Duration = .seconds(5)
    ) async throws -> [UInt8] {
        guard target != .everyone else {
            throw StickyServerError(.noSuchSlot, "a request goes to one receiver, not to everyone")
        }
        return try await requests.perform(timeout: timeout) { [self] number in
            try send(Envelope(kind: .request, request: number, party: target.party, payload: payload))
        }
    }

    func send(_ envelope: Envelope) throws(StickyServerError) {
        let count = envelope.payload.count
        guard count <= maximumMessageLength else { throw .messageTooLarge(count, maximumMessageLength) }
        let frames = MessageFragment.frames(.messageToMaster, envelope)
        let outcome: Result<Bool, StickyServerError> = outbox.withLock { outbox in
            guard outbox.hasRoom(for: count) else {
                return .failure(
                    StickyServerError(.messageQueueFull, "the master does not keep up with this worker's messages")
                )
            }
            for frame in frames { outbox.append(frame) }
            return .success(outbox.flush { control.send($0) } == .full)
        }
        // What did not fit now is sent by the control loop.
        if try outcome.get() { wakePipe.wake() }
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
        case .response: requests.answer(envelope.request, envelope.payload)
        case .refusal: requests.refuse(envelope.request)
        case .publication: transport.deliver(envelope.payload)
        case .shared:
            if let (name, value) = NamedBytes.decode(envelope.payload) { shared.set(name, value) }
        case .plain, .request: return false
        }
        return true
    }

    func makeLease() -> ConnectionLease {
        open.add(1, ordering: .relaxed)
        return ConnectionLease { [self] in
            let left = open.subtract(1, ordering: .acquiringAndReleasing).newValue
            if left == 0, isDraining { wakePipe.wake() }
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
        outbox.withLock { outbox in outbox.flush { control.send($0) } }
    }

    var hasOutbound: Bool { outbox.withLock { !$0.isEmpty } }
}

extension StickyServerError {
    static func messageTooLarge(_ count: Int, _ limit: Int) -> StickyServerError {
        StickyServerError(
            .messageTooLarge,
            "the message has \(count) bytes; at most \(limit) are allowed (configuration.maximumMessageLength)"
        )
    }
}

/// The transport needs the worker, which owns it.
private final class WorkerLink: Sendable {
    struct Weak: Sendable {
        weak var value: Worker?
    }

    let worker = Mutex(Weak(value: nil))
}
