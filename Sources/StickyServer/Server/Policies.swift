/// Whether a worker that has ended is started again.
public struct RespawnPolicy: Sendable, Hashable, CustomStringConvertible {
    private enum Kind: String, Sendable { case always, error, never }
    private let kind: Kind

    /// After every end.
    public static let always = RespawnPolicy(kind: .always)
    /// After a non-zero exit status or a signal, and not after a clean exit.
    public static let error = RespawnPolicy(kind: .error)
    /// Never: the slot stays empty.
    public static let never = RespawnPolicy(kind: .never)

    private init(kind: Kind) {
        self.kind = kind
    }

    /// Reads `always`, `error` or `never`, in capitals or not.
    public init?(parsing text: String) {
        guard let kind = Kind(rawValue: text.lowercased()) else { return nil }
        self.kind = kind
    }

    /// `always`, `error` or `never`.
    public var description: String { kind.rawValue }

    func respawns(after end: WorkerEnd) -> Bool {
        switch kind {
        case .always: true
        case .error: !end.isClean
        case .never: false
        }
    }
}

/// What becomes of a connection whose slot cannot take it: its worker is starting, or behind with its receipts.
public struct UnavailablePolicy: Sendable, Hashable {
    /// How long a connection waits for its own slot.
    public var patience: Duration
    /// Whether it then goes to the slot's next choice; else it is dropped.
    public var reroutes: Bool

    /// Waits for its own slot, `attempts` times `interval`, and is then dropped: stickiness before service.
    public static func wait(attempts: Int = 3, interval: Duration = .seconds(1)) -> UnavailablePolicy {
        // Kept from overflowing; a patience of years is refused with the configuration.
        let interval = min(max(interval, .zero), Configuration.longestTime)
        return UnavailablePolicy(patience: interval * min(max(0, attempts), 1_000_000), reroutes: false)
    }

    /// Goes to the next choice at once.
    public static let reroute = UnavailablePolicy(patience: .zero, reroutes: true)

    /// Waits for its own slot for a while, which a respawn rarely needs, and then goes to the next choice.
    public static func waitThenReroute(_ patience: Duration = .seconds(1)) -> UnavailablePolicy {
        UnavailablePolicy(patience: patience, reroutes: true)
    }
}

/// Bounds on what the master holds for workers. What does not fit stays in the kernel's backlog.
public struct HandOffLimits: Sendable, Hashable {
    /// Sockets passed to one worker that it has not receipted. Default: 128.
    public var unreceiptedPerWorker = 128
    /// Sockets that wait for one slot. Beyond it the next choice is tried. Default: 1024.
    public var waitingPerSlot = 1024
    /// Sockets that the master holds in all. Beyond it the master stops accepting. Default: 4096.
    public var held = 4096

    /// The defaults.
    public init() {}
}

/// How the master finds out that a worker hangs.
public struct HeartbeatPolicy: Sendable, Hashable {
    /// How often a worker is asked whether it still turns. Default: 1 s.
    public var interval: Duration = .seconds(1)
    /// A worker that has not answered for so long gets no new clients. Default: 5 s.
    public var lateAfter: Duration = .seconds(5)
    /// A worker that has not answered for so long is replaced: SIGABRT, so that its backtrace says where it hangs, and
    /// SIGKILL ``abortGrace`` later. Nil leaves it alone. Default: 30 s.
    public var hungAfter: Duration? = .seconds(30)
    /// The time between SIGABRT and SIGKILL. Default: 5 s.
    public var abortGrace: Duration = .seconds(5)

    /// The defaults.
    public init() {}
}

/// How fast a worker that keeps ending is started again.
public struct BackoffPolicy: Sendable, Hashable {
    /// The wait before the second start in a row; the first is immediate. Default: 0.1 s.
    public var base: Duration = .milliseconds(100)
    /// The wait doubles with each further start, up to this. Default: 30 s.
    public var maximum: Duration = .seconds(30)
    /// Every wait is made longer or shorter by up to this share, so that slots do not move in step. Default: 0.2.
    public var jitter = 0.2
    /// A worker that served for this long is healthy, and the count starts again. Default: 60 s.
    public var healthyAfter: Duration = .seconds(60)
    /// After so many ends before readiness in a row the slot is parked. Default: 5.
    public var failuresBeforeParking = 5
    /// How long a parked slot rests before one more try. Default: 60 s.
    public var parking: Duration = .seconds(60)

    /// The defaults.
    public init() {}
}

/// What the master does on SIGHUP.
public struct HangupAction: Sendable, Hashable {
    private enum Kind: Sendable {
        case reload, tell
    }
    private let kind: Kind

    /// Replaces the workers one by one, as ``StickyServer/reload()`` does.
    public static let reload = HangupAction(kind: .reload)
    /// Only tells, as ``MasterEvent/hangup``: for servers that read files anew and keep their workers. TLS certificates
    /// are read in either case, where the master shares them.
    public static let tell = HangupAction(kind: .tell)
}
