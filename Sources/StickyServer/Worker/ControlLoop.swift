internal import CStickyServer
internal import Logging

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A worker's end of the control socket: receives paused sockets, receipts them and gives them to the handler.
///
/// Runs on a thread of its own, or is stepped by a ``ControlDriver``. It ends when the worker has drained: because the master said so, because the master
/// is gone, or because the worker asked for it.
package final class ControlLoop {
    let worker: Worker
    let handler: any ConnectionHandler
    private let onWelcome: () -> Void
    let configuration: Configuration
    let logger: Logger
    let clock = ContinuousClock()
    private let receiver = FrameReceiver()
    var assembler: MessageAssembler
    /// Messages that came before the handler had started.
    var early: [Envelope] = []
    var isReady = false
    /// Whether the master is there. Without it ``controlDescriptor`` says nothing any more.
    package var isConnected = true
    /// Where receipts are counted; nil when the master takes frames.
    var tally: ReceiptTally?
    /// What this worker accepts by itself, with kernel steering.
    var steered = SteeredAccept()
    /// The last frame brought one connection.
    var foundSingle = false
    var deadline: ContinuousClock.Instant?
    var recycling: RecyclingWatch?
    var nextShortageNotice: ContinuousClock.Instant
    /// A stuck process is ended by the kernel so long after its drain's deadline.
    static let stuckGrace: Duration = .seconds(3)
    /// Without a master there is no end to wait for.
    static let orphanDeadline: Duration = .seconds(30)

    init(
        _ worker: Worker,
        handler: any ConnectionHandler,
        configuration: Configuration,
        onWelcome: @escaping () -> Void
    ) {
        self.worker = worker
        self.handler = handler
        self.onWelcome = onWelcome
        self.configuration = configuration
        var logger = configuration.logger
        logger[metadataKey: "slot"] = "\(worker.slot)"
        self.logger = logger
        nextShortageNotice = clock.now
        recycling = RecyclingWatch(configuration.recycling, now: clock.now)
        assembler = MessageAssembler(limit: configuration.maximumMessageLength)
    }

    /// Returns when the worker has drained or its deadline has passed.
    func run() {
        while !isFinished {
            var set = [pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0)]
            if isConnected {
                let events = Int16(worker.hasOutbound ? POLLIN | POLLOUT : POLLIN)
                set.append(pollfd(fd: controlDescriptor, events: events, revents: 0))
            }
            let first = set.count
            set += acceptDescriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            let timeout = timeout
            let count = set.withUnsafeMutableBufferPointer { poll($0.baseAddress, nfds_t($0.count), timeout) }
            guard count > 0 else {
                // A time is up, or a signal came.
                step(isWoken: false, hasFrames: false)
                continue
            }
            step(isWoken: set[0].revents != 0, hasFrames: first > 1 && set[1].revents != 0)
            if set[first...].contains(where: { $0.revents != 0 }) { acceptConnections() }
        }
        logger.debug("worker ends", metadata: ["open": "\(worker.openConnections)"])
    }

    /// Does what there is to do, without waiting. `isWoken`: ``wakeDescriptor`` can be read; `hasFrames`:
    /// ``controlDescriptor`` can.
    package func step(isWoken: Bool, hasFrames: Bool) {
        if isWoken {
            worker.wakePipe.drain { [self] signal in
                if signal == SIGTERM { worker.requestReplacement() }
            }
            // Who wants one of these wakes us.
            if worker.takeReady() { becomeReady() }
            if worker.takeReplacementRequest() { retire() }
        }
        if steered.pausedUntil != nil { steered.endPause(clock.now) }
        recycle()
        reportEnded()
        if hasFrames { receiveFrames() }
        if isConnected, case .lost = worker.flushOutbox() { loseMaster() }
    }

    /// Becomes readable when another thread wants something.
    package var wakeDescriptor: CInt { worker.wakePipe.readEnd.number }
    /// Becomes readable when frames come, and writable when those that wait can go.
    package var controlDescriptor: CInt { worker.control.descriptor.number }
    /// Become readable when there are connections to accept; with kernel steering alone, and not while that makes no
    /// sense.
    package var acceptDescriptors: [CInt] { steered.descriptors }
    /// Called before the descriptors close. The master has them too, so an epoll set would not forget them by itself.
    package var willStopAccepting: (() -> Void)?
    /// Whether frames wait until ``controlDescriptor`` is writable.
    package var hasOutbound: Bool { isConnected && worker.hasOutbound }
    /// Whether the worker has drained or its deadline has passed.
    package var isFinished: Bool {
        guard let deadline else { return worker.isEnding }
        return worker.openConnections == 0 || clock.now >= deadline || worker.isEnding
    }
    /// Milliseconds until there is something to do without a descriptor; -1 for never (poll(2)).
    package var timeout: CInt {
        if let until = steered.pausedUntil {
            return milliseconds(to: until)
        }
        guard let deadline else { return recycling == nil ? -1 : 1000 }
        return milliseconds(to: deadline)
    }

    /// For poll(2), to which less than 0 means for ever.
    private func milliseconds(to time: ContinuousClock.Instant) -> CInt {
        CInt(clamping: max(0, Int(((time - clock.now) / .milliseconds(1)).rounded(.up)) + 1))
    }

    // MARK: - Frames

    /// Receives what there is; but after a single connection it stops, because mostly there is no more, and a look would
    /// cost a system call. ``controlDescriptor`` stays readable if there is.
    private func receiveFrames() {
        while isConnected {
            var problem: FrameError?
            foundSingle = false
            let outcome = receiver.receive(from: worker.control.descriptor.number) { bytes, connections in
                do throws(FrameError) {
                    try handle(bytes, connections)
                } catch {
                    problem = error
                }
            }
            if let problem {
                // The master is this same program: a frame that cannot be read is a defect of ours, and going on would
                // leave the two ends counting differently.
                logger.critical("a frame from the master cannot be read", metadata: ["problem": "\(problem)"])
                loseMaster()
                return
            }
            switch outcome {
            case .frame where foundSingle: return
            case .frame, .frameWithoutDescriptors: continue
            case .drained: return
            case .tooLong, .lost: loseMaster()
            }
        }
    }

    private func handle(
        _ bytes: UnsafeRawBufferPointer,
        _ connections: consuming NonCopyableQueue<OwnedConnection>?
    ) throws(FrameError) {
        var (header, payload) = try Frame.parse(bytes)
        switch header.kind {
        case .connections:
            if let connections = consume connections {
                try addConnections(header.count, payload, connections)
            } else {
                refuseConnections(header.count)
            }
        case .messageToWorker:
            if let message = try assembler.add(payload) { deliver(message) }
        case .drain:
            let order = try DrainOrder(from: &payload)
            // The count says whether somebody else serves from now on.
            beginDrain(header.count == 1 ? .replaced : .stopping, within: order.time, spread: order.spread)
        case .welcome:
            onWelcome()
        case .ping:
            let nonce = try payload.read(UInt32.self)
            handler.checkHealth { [worker] in
                worker.post(Frame.number(.pong, nonce))
                worker.wakePipe.wake()
            }
        case .tally:
            // Without descriptors it cannot come; then receipts stay frames.
            if var files = consume connections, let file = files.popFirst() {
                tally = ReceiptTally(mapping: OwnedDescriptor(owning: file.relinquish()))
            }
        case .listeners:
            if let files = consume connections { try addListeners(header.count, payload, files) }
        case .ready, .receipt, .messageToMaster, .rehome, .pong, .crashed, .retire, .refuse, .closed:
            throw .unknownKind(header.kind.rawValue)
        }
    }

    private func deliver(_ envelope: Envelope) {
        guard !worker.absorb(envelope) else { return }
        if isReady { pass(envelope) } else { early.append(envelope) }
    }

    private func pass(_ envelope: Envelope) {
        let sender = envelope.party
        let message = ClusterMessage(sender: sender == Envelope.master ? nil : Int(sender), payload: envelope.payload)
        guard envelope.kind == .request else { return handler.clusterMessage(message) }
        Task { [handler, worker, logger] in
            let answer = await handler.clusterRequest(message)
            let response = Envelope(
                kind: answer == nil ? .refusal : .response,
                request: envelope.request,
                party: sender,
                payload: answer ?? []
            )
            do throws(StickyServerError) {
                try worker.send(response)
            } catch {
                logger.warning("cannot answer a request", metadata: ["error": "\(error)"])
            }
        }
    }

    private func becomeReady() {
        isReady = true
        worker.post(Frame.plain(.ready))
        for envelope in early { pass(envelope) }
        early = []
    }
}
