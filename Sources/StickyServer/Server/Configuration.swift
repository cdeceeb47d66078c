public import Logging

/// The settings of a server. Every one has a default; ``StickyServer/init(configuration:)`` checks them.
public struct Configuration: Sendable {
    /// Where to listen. ``StickyServer/init(port:configuration:)`` puts its port in front.
    public var listeners: [ListenAddress] = []

    /// The number of slots. 0, the default, means one for each usable core (CPU affinity and cgroup quota respected).
    public var maxWorkers = 0

    /// Whether workers that have ended are started again. Default: `.always`.
    public var respawn: RespawnPolicy = .always

    /// How fast they are started again.
    public var backoff = BackoffPolicy()

    /// What becomes of a connection whose slot cannot take it. Default: wait for 1 s, then the next choice.
    public var whenUnavailable: UnavailablePolicy = .waitThenReroute()

    /// Bounds on what the master holds for workers.
    public var limits = HandOffLimits()

    /// How many connections the server has at most. Default: as many as descriptors allow.
    public var connectionLimits = ConnectionLimits()

    /// Who brings a new connection to its slot. Default: ``Steering/master``.
    public var steering = Steering.master

    /// How clients are assigned to slots.
    public var routing = RoutingConfiguration()

    /// A worker that is not ready after so long is ended and counts as failed. Default: 30 s.
    public var bootLimit: Duration = .seconds(30)

    /// How a worker that hangs is found out.
    public var heartbeat = HeartbeatPolicy()

    /// When workers are replaced although they serve. Default: never.
    public var recycling = RecyclingPolicy()

    /// How many processes of one slot may be draining at a time, when reloads follow each other faster than long
    /// connections end. The oldest beyond it is killed. Default: 3.
    public var maximumDrainingGenerations = 3

    /// How long a stopping worker may finish what is in progress; nil means as long as its connections last, which a
    /// second ``StickyServer/stop()`` and ``maximumDrainingGenerations`` still bound. A worker whose master has died
    /// ends after 30 s then. Default: 30 s.
    public var drainDeadline: Duration? = .seconds(30)

    /// Over what time a worker that was replaced tells its connections to end, so that their clients do not all come
    /// back at the same moment. At most half of ``drainDeadline`` is used. Zero tells all at once, as a server that stops
    /// always does. Default: 5 s.
    public var drainSpread: Duration = .seconds(5)

    /// How long a crashed worker may write its backtrace after its slot was given to a successor. Default: 60 s.
    public var crashReportLimit: Duration = .seconds(60)

    /// Which rights workers keep. Default: those of the user who starts the server, who must not be root.
    public var privileges = WorkerPrivileges()

    /// Raises the soft limit of open descriptors to the hard one in every process (getrlimit(2)): each connection needs
    /// one. Default: true.
    public var raisesDescriptorLimit = true

    /// The longest message, in bytes. Default: 1 MiB.
    public var maximumMessageLength = 1 << 20

    /// Bytes of messages that may wait for a worker that does not keep up. Default: 16 MiB.
    public var messageQueueLimit = 16 << 20

    /// Whether the master takes SIGTERM and SIGINT as the wish to stop and SIGHUP as the wish to reload, and a worker
    /// SIGTERM as the wish to be replaced. A program with signal handlers of its own says false and calls
    /// ``StickyServer/stop()`` and ``StickyServer/reload()``. Default: true.
    public var handlesSignals = true

    /// What SIGHUP means to the master. Default: ``HangupAction/reload``.
    public var onHangup = HangupAction.reload

    /// Where log lines go. Default: the label `sticky` with the process's logging system.
    public var logger = Logger(label: "sticky")

    /// The defaults.
    public init() {}
}
