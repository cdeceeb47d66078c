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
    private let worker: Worker
    private let handler: any ConnectionHandler
    private let onWelcome: () -> Void
    private let configuration: Configuration
    private let logger: Logger
    private let clock = ContinuousClock()
    private let receiver = FrameReceiver()
    private var assembler: MessageAssembler
    /// Messages that came before the handler had started.
    private var early: [Envelope] = []
    private var isReady = false
    /// Whether the master is there. Without it ``controlDescriptor`` says nothing any more.
    package private(set) var isConnected = true
    /// Where receipts are counted; nil when the master takes frames.
    private var tally: ReceiptTally?
    /// The last frame brought one connection.
    private var foundSingle = false
    private var deadline: ContinuousClock.Instant?
    private var recycling: RecyclingWatch?
    private var nextShortageNotice: ContinuousClock.Instant
    /// A stuck process is ended by the kernel so long after its drain's deadline.
    private static let stuckGrace: Duration = .seconds(3)
    /// Without a master there is no end to wait for.
    private static let orphanDeadline: Duration = .seconds(30)

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
            let timeout = timeout
            let count = set.withUnsafeMutableBufferPointer { poll($0.baseAddress, nfds_t($0.count), timeout) }
            guard count > 0 else { continue }
            step(isWoken: set[0].revents != 0, hasFrames: set.count > 1 && set[1].revents != 0)
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
        recycle()
        reportEnded()
        if hasFrames { receiveFrames() }
        if isConnected, case .lost = worker.flushOutbox() { loseMaster() }
    }

    /// Becomes readable when another thread wants something.
    package var wakeDescriptor: CInt { worker.wakePipe.readEnd.number }
    /// Becomes readable when frames come, and writable when those that wait can go.
    package var controlDescriptor: CInt { worker.control.descriptor.number }
    /// Whether frames wait until ``controlDescriptor`` is writable.
    package var hasOutbound: Bool { isConnected && worker.hasOutbound }
    /// Whether the worker has drained or its deadline has passed.
    package var isFinished: Bool {
        guard let deadline else { return worker.isEnding }
        return worker.openConnections == 0 || clock.now >= deadline || worker.isEnding
    }
    /// Milliseconds until there is something to do without a descriptor; -1 for never (poll(2)).
    package var timeout: CInt {
        guard let deadline else { return recycling == nil ? -1 : 1000 }
        return CInt(clamping: Int(((deadline - clock.now) / .milliseconds(1)).rounded(.up)) + 1)
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
            // The count says whether a successor serves the slot.
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
        case .ready, .receipt, .messageToMaster, .rehome, .pong, .crashed, .retire, .refuse, .closed:
            throw .unknownKind(header.kind.rawValue)
        }
    }

    /// The receipt goes out before the handler sees a socket: from then on a byte may have been read from it, and no
    /// other process must be given the connection.
    private func addConnections(
        _ count: Int,
        _ payload: FrameReader,
        _ connections: consuming NonCopyableQueue<OwnedConnection>
    ) throws(FrameError) {
        guard connections.count == count else {
            throw .wrongDescriptorCount(expected: count, got: connections.count)
        }
        recycling?.accepted += count
        foundSingle = count == 1
        sendReceipt(count)
        var reader = payload
        while let connection = connections.popFirst() {
            let entry = try ConnectionEntry(from: &reader)
            sticky_crash_note_descriptor(connection.number)
            handler.addConnection(
                PausedSocket(
                    connection: connection,
                    peer: entry.peer,
                    local: entry.local,
                    listener: entry.listener,
                    reason: entry.reason,
                    prelude: entry.prelude,
                    hops: entry.hops,
                    lease: worker.makeLease(entry.tag)
                )
            )
        }
    }

    /// This process can have no more descriptors. The master still has its copies and finds them another place.
    private func refuseConnections(_ count: Int) {
        let now = clock.now
        if now >= nextShortageNotice {
            nextShortageNotice = now + .seconds(1)
            logger.warning(
                "out of descriptors: connections go back to the master",
                metadata: ["count": "\(count)", "open": "\(worker.openConnections)"]
            )
        }
        // From here on receipts are frames too: both name only counts, so their order must be kept.
        tally = nil
        worker.post(Frame.plain(.refuse, count: count))
    }

    /// Receipts and refusals name only a count, so their order is that of the frames: what does not fit now goes
    /// behind whatever waits, and nothing overtakes it.
    private func sendReceipt(_ count: Int) {
        guard tally == nil else {
            tally?.add(count)
            return
        }
        let frame = Frame.plain(.receipt, count: count)
        guard !worker.hasOutbound else { return worker.post(frame) }
        switch worker.control.send(frame) {
        case .done: break
        case .full, .busy: worker.post(frame)
        case .lost: loseMaster()
        }
    }

    /// Tells the master which counted connections have ended, many in one frame when many end.
    private func reportEnded() {
        var tags = worker.takeEnded()[...]
        while !tags.isEmpty, isConnected {
            worker.post(Frame.closed(tags.prefix(ConnectionTag.mostInFrame)))
            tags = tags.dropFirst(ConnectionTag.mostInFrame)
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

    // MARK: - The end

    /// The worker wants to be replaced. It serves on until a successor is ready and the master says so.
    private func retire() {
        if isConnected { worker.post(Frame.plain(.retire)) } else { beginDrain(.masterGone, within: .zero) }
    }

    private func recycle() {
        guard isReady, deadline == nil, let limit = recycling?.reached(now: clock.now) else { return }
        logger.info("this worker is due for recycling", metadata: ["limit": "\(limit)"])
        worker.requestReplacement()
    }

    private func loseMaster() {
        guard isConnected else { return }
        isConnected = false
        logger.notice("the master is gone; this worker finishes and ends")
        beginDrain(.masterGone, within: configuration.drainDeadline ?? Self.orphanDeadline)
    }

    private func beginDrain(_ reason: DrainRequest.Reason, within time: Duration, spread: Duration = .zero) {
        let end = clock.now + time
        if let deadline {
            self.deadline = min(deadline, end)
            return
        }
        deadline = end
        worker.markDraining()
        let seconds = ((time + Self.stuckGrace) / .seconds(1)).rounded(.up)
        sticky_exit_after(CUnsignedInt(max(1, min(seconds, 1e9))))
        handler.drain(DrainRequest(reason: reason, deadline: end, spread: min(spread, time / 2)))
    }
}
