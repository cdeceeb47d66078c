/// Something that happened in the master.
///
/// Cases may be added: handle `default`.
@nonexhaustive public enum MasterEvent: Sendable {
    /// Every slot is ready for the first time, and connections are accepted at these addresses.
    case listening(addresses: [SocketAddress], workers: Int)
    /// A slot's process was started.
    case workerCreated(slot: Int, generation: Int, pid: Int)
    /// A slot takes connections.
    case workerReady(slot: Int, generation: Int, pid: Int)
    /// A slot's process ended, or its crash notice arrived. `returned` sockets had not been receipted and are served by
    /// another process; `failures` counts its ends in a row without health between them.
    case workerDied(slot: Int, generation: Int, pid: Int, end: WorkerEnd, returned: Int, failures: Int)
    /// A process that its slot no longer counted on has ended: one that was replaced and has drained, or one that has
    /// crashed and written its backtrace.
    case workerExited(slot: Int, generation: Int, pid: Int, end: WorkerEnd)
    /// A slot has a new process after an end.
    case workerRespawned(slot: Int, generation: Int, pid: Int, after: Duration)
    /// A slot's worker keeps ending before it is ready and rests for a while.
    case workerParked(slot: Int, failures: Int, until: ContinuousClock.Instant)
    /// A worker has not answered for a while and gets no new clients for now.
    case workerLate(slot: Int, generation: Int, pid: Int)
    /// A worker has not answered for so long that it is replaced.
    case workerHung(slot: Int, generation: Int, pid: Int)
    /// A slot's successor took over; the process before it drains.
    case workerReplaced(slot: Int, generation: Int, pid: Int)
    /// A successor did not become ready; the process before it stays.
    case replacementFailed(slot: Int, reason: String)
    /// The number of slots has changed.
    case scaled(workers: Int)
    /// A rolling reload begins.
    case reloadStarted(slots: Int)
    /// Every slot has a new process.
    case reloadFinished(replaced: Int)
    /// The reload ends, because the successor of this slot did not become ready.
    case reloadAborted(slot: Int, reason: String)
    /// SIGHUP came, and ``Configuration/onHangup`` says that it is only told.
    case hangup
    /// This process is a new binary that took over from the one before.
    case upgraded
    /// The new binary did not prove itself: this one serves on.
    case upgradeAborted(reason: String)
    /// A worker sent the master a message.
    case workerMessage(slot: Int, payload: [UInt8])
    /// A connection was passed to a slot.
    case connectionRouted(slot: Int, reason: RouteReason, peer: SocketAddress)
    /// A connection was closed by the master, unserved.
    case connectionDropped(slot: Int, reason: DropReason, peer: SocketAddress)
    /// A message was not delivered, because the receiver is gone or does not keep up. Nil stands for the master.
    case messageDropped(from: Int?, to: Int, bytes: Int)
    /// The master does not accept for now, and the kernel's backlog holds what comes.
    case acceptPaused(reason: PauseReason)
    /// The master accepts again.
    case acceptResumed
    /// The master stops: workers drain.
    case stopping
}

/// Why the master closed a connection unserved.
public struct DropReason: Sendable, Hashable, CustomStringConvertible {
    private let word: String

    /// Its slot could not take it within the policy's patience, and neither could another.
    public static let unavailable = DropReason(word: "unavailable")
    /// Its slot's waiting queue was full, and the policy or the other queues left no choice.
    public static let queueFull = DropReason(word: "queue-full")
    /// The server stops.
    public static let stopping = DropReason(word: "stopping")
    /// A worker handed on a connection that had been handed on before.
    public static let tooManyHops = DropReason(word: "too-many-hops")
    /// ``ConnectionLimits/total`` was reached.
    public static let totalLimit = DropReason(word: "total-limit")
    /// ``ConnectionLimits/perWorker`` was reached in its slot.
    public static let workerLimit = DropReason(word: "worker-limit")
    /// ``ConnectionLimits/perSource`` was reached.
    public static let sourceLimit = DropReason(word: "source-limit")
    /// A worker named a slot that does not exist.
    public static let noSuchSlot = DropReason(word: "no-such-slot")

    /// The word in logs, such as `queue-full`.
    public var description: String { word }
}

/// Why the master does not accept for now.
public struct PauseReason: Sendable, Hashable, CustomStringConvertible {
    private let word: String

    /// It holds as many sockets for workers as ``HandOffLimits/held`` allows.
    public static let holdingTooMany = PauseReason(word: "holding-too-many")
    /// The process or the system is out of descriptors or memory.
    public static let outOfResources = PauseReason(word: "out-of-resources")

    /// The word in logs, such as `out-of-resources`.
    public var description: String { word }
}

/// Which events a subscriber wants.
public struct EventFilter: OptionSet, Sendable {
    /// The set's bits.
    public let rawValue: Int

    /// Makes a set from its bits.
    public init(rawValue: Int) {
        self.rawValue = rawValue
    }

    /// Everything about workers and the master itself: a few an hour.
    public static let lifecycle = EventFilter(rawValue: 1)
    /// ``MasterEvent/workerMessage(slot:payload:)``.
    public static let messages = EventFilter(rawValue: 2)
    /// One event a connection: it costs the master time.
    public static let connections = EventFilter(rawValue: 4)
    /// All of them.
    public static let all: EventFilter = [.lifecycle, .messages, .connections]
}
