internal import CStickyServer
internal import Logging

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The master: one poll(2) loop on one thread. It accepts, chooses a slot, passes the socket on and keeps the workers
/// alive. It never reads a byte from a client, and it trusts nothing that comes from a worker.
final class MasterLoop {
    let configuration: Configuration
    let logger: Logger
    let events: EventHub
    let mailbox: Mailbox
    let clock = ContinuousClock()
    let spawner = Spawner()
    var scheduling = MasterScheduling()
    var router: Router
    /// With kernel steering those of the first slot, for their addresses: the master accepts nothing.
    var listeners: [Listener] = []
    /// The listeners of all slots; nil when the master accepts.
    let steering: SteeredListeners?
    /// In the order of their numbers. Slots that were taken away stay at the end.
    var slots: [Slot] = []
    var slotTarget: Int
    /// Every process that was started and not reaped, those of slots and those that left theirs.
    var processes: [WorkerProcess] = []
    /// Sockets that the master owns: waiting or not receipted.
    var heldSockets = 0
    var acceptPause: AcceptPause?
    /// The last try to accept found no descriptor or memory.
    var isShortOfResources = false
    var account: ConnectionAccount
    var limitNotices: [DropReason: ContinuousClock.Instant] = [:]
    var hasServed = false
    var lastBootFailure: WorkerEnd?
    var stop: StopState?
    var reload = RollingReload()
    var upgrade: Upgrade?
    var shared: [String: [UInt8]] = [:]
    var reservations = MessageReservations()
    let serviceManager = ServiceManager()
    var nextWatchdog: ContinuousClock.Instant?
    var failure: StickyServerError?
    var frameWriter = FrameWriter()
    let receiver = FrameReceiver()
    var receiptWatch = ReceiptWatch()
    /// When receipts are looked for; nil when none are owed.
    var nextReceiptLook: ContinuousClock.Instant?
    /// Since the timers ran, only connections came and were handed on: no deadline and no descriptor has changed.
    var isSteady = false
    var pacing = AcceptPacing()
    var timersAreDue: ContinuousClock.Instant
    var nextSweep: ContinuousClock.Instant
    private var pollSet: [pollfd] = []
    private var pollTargets: [PollTarget] = []
    private var polled: [Listener] = []

    private enum PollTarget {
        case wake
        case listener(Listener)
        case control(WorkerProcess)
        case exit(WorkerProcess)
    }

    enum AcceptPause {
        case holdingTooMany
        /// `held` sockets were the master's own.
        case outOfResources(until: ContinuousClock.Instant, held: Int)
    }

    /// That there is one means that the server stops.
    struct StopState {}

    /// Opens the listeners, so that a bad address is known before any process is started.
    ///
    /// `inherited` is what the binary before this one has left; then its slots and key count, and listeners that both
    /// have in common stay open.
    init(
        _ configuration: Configuration,
        slotCount: Int,
        inherited: UpgradeState?,
        events: EventHub,
        mailbox: Mailbox
    ) throws(StickyServerError) {
        self.configuration = configuration
        self.events = events
        self.mailbox = mailbox
        logger = configuration.logger
        account = ConnectionAccount(configuration.connectionLimits)
        slotTarget = inherited?.slotTarget ?? slotCount
        var routing = configuration.routing
        if let inherited { routing.key = inherited.routingKey }
        router = Router(routing, slots: inherited?.routedSlots ?? slotCount, steering: configuration.steering)
        let now = clock.now
        nextSweep = now
        timersAreDue = now
        if serviceManager.watchdogInterval != nil { nextWatchdog = now }
        if let program = router.program(for: Array(0..<slotTarget)) {
            let steering = try SteeredListeners(configuration.listeners, slots: slotTarget, program: program)
            self.steering = steering
            listeners = steering.first
        } else {
            steering = nil
            try openListeners(inherited)
        }
        slots = (0..<max(slotTarget, inherited?.generations.count ?? 0)).map { number in
            Slot(
                number: number,
                state: SlotState(respawn: configuration.respawn, backoff: configuration.backoff, now: now)
            )
        }
        for slot in slots[slotTarget...] { slot.state.remove() }
        if let inherited { adopt(inherited) }
    }

    /// Those that the binary before this one had open stay so.
    private func openListeners(_ inherited: UpgradeState?) throws(StickyServerError) {
        var adopted = (inherited?.listeners ?? []).map { Listener(adopting: $0.descriptor, index: $0.index) }
        for (index, address) in configuration.listeners.enumerated() {
            if let known = adopted.firstIndex(where: { $0.serves(address, index: index) }) {
                listeners.append(adopted.remove(at: known))
            } else {
                do {
                    listeners.append(try Listener(address, index: index))
                } catch {
                    for listener in listeners { listener.removeFile() }
                    throw error
                }
            }
        }
    }

    /// Runs until the server has stopped. Throws when no worker could be started or none is left.
    func run() throws(StickyServerError) {
        defer { cleanUp() }
        scheduling.giveWay()
        while true {
            var now = clock.now
            takeReceipts(now)
            if !isSteady || now >= timersAreDue {
                handleCommands()
                runTimers(clock.now)
                updateSteering()
                continueUpgrade()
                if stop != nil, processes.isEmpty { break }
                buildPollSet()
                now = clock.now
                timersAreDue = nextDeadline(now)
            }
            let hold = isSteady ? pacing.hold : 0
            let timeout = hold > 0 ? min(hold, pollTimeout(now)) : pollTimeout(now)
            // The listeners are the last.
            let watched = hold > 0 ? pollSet.count - polled.count : pollSet.count
            let count = pollSet.withUnsafeMutableBufferPointer { buffer in
                poll(buffer.baseAddress, nfds_t(watched), timeout)
            }
            if count > 0 {
                dispatch(pollSet[..<watched])
            } else if count < 0 {
                // EINTR: a signal came; its byte waits in the wake pipe.
                isSteady = false
            } else if hold > 0 {
                acceptConnections(polled)
                handOn()
            }
        }
        if let failure { throw failure }
    }

    private func cleanUp() {
        for listener in listeners { listener.removeFile() }
        listeners = []
    }

    // MARK: - Poll set

    private func buildPollSet() {
        pollSet.removeAll(keepingCapacity: true)
        pollTargets.removeAll(keepingCapacity: true)
        watch(mailbox.wakePipe.readEnd.number, .wake)
        for process in processes {
            if process.control != nil {
                let slot = slots[process.slot]
                let wantsWrite = !process.outbound.isEmpty || (slot.isBlocked && slot.process === process)
                watch(process.controlNumber, .control(process), events: wantsWrite ? POLLIN | POLLOUT : POLLIN)
            } else if let watchNumber = process.exitWatchNumber {
                watch(watchNumber, .exit(process))
            }
        }
        polled = acceptPause == nil && hasServed ? acceptedHere : []
        for listener in polled { watch(listener.descriptor.number, .listener(listener)) }
    }

    private func watch(_ number: CInt, _ target: PollTarget, events: CInt = POLLIN) {
        pollSet.append(pollfd(fd: number, events: Int16(events), revents: 0))
        pollTargets.append(target)
    }

    /// Control sockets come before listeners: what workers say makes room for new connections.
    private func dispatch(_ watched: ArraySlice<pollfd>) {
        isSteady = true
        var ready: [Listener] = []
        for index in watched.indices where watched[index].revents != 0 {
            switch pollTargets[index] {
            case .wake:
                isSteady = false
                mailbox.wakePipe.drain { signal in handleSignal(signal) }
            case .control(let process):
                isSteady = false
                receiveFrames(process)
                if CInt(watched[index].revents) & POLLOUT != 0 { unblock(process) }
            case .exit(let process):
                isSteady = false
                reap(process)
            case .listener(let listener):
                ready.append(listener)
            }
        }
        if !ready.isEmpty { acceptConnections(ready) }
        handOn()
    }

    private func handOn() {
        flushSlots()
        if acceptPause != nil || slots.contains(where: { $0.waiting.count > 0 }) { isSteady = false }
        if !isSteady { grantReservations() }
    }

    // MARK: - Orders from outside the loop

    private func handleCommands() {
        for command in mailbox.take() {
            switch command {
            case .stop: beginStop()
            case .reload: beginReload()
            case .upgrade: beginUpgrade()
            case .share(let name, let value): share(name, value)
            case .scale(let count): scale(to: count)
            case .send(let envelope, let done): done(send(envelope, from: Envelope.master, pid: 0))
            case .reserve(let request, let party, let size):
                reserve(.init(pid: 0, request: request), party: party, size: size)
            case .release(let request): release(.init(pid: 0, request: request))
            }
        }
    }

    private func handleSignal(_ signal: CInt) {
        switch signal {
        case SIGTERM, SIGINT:
            logger.notice("stopping on a signal", metadata: ["signal": "\(Libc.describe(signal: signal))"])
            beginStop()
        case SIGHUP where configuration.onHangup == .tell:
            logger.notice("told of SIGHUP")
            events.publish(.hangup, to: .lifecycle)
        case SIGHUP:
            logger.notice("reloading on SIGHUP")
            beginReload()
        case SIGUSR2:
            beginUpgrade()
        case SIGTTIN:
            scale(to: slotTarget + 1)
        case SIGTTOU:
            scale(to: slotTarget - 1)
        default:
            break
        }
    }

    func publish(_ event: MasterEvent) {
        events.publish(event, to: .lifecycle)
    }
}
