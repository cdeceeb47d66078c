internal import CStickyServer
internal import Logging

/// A worker's own accepting, with kernel steering: its slot's listeners, which the master has opened.
struct SteeredAccept {
    /// How many connections one listener may bring before others have their turn.
    private static let batch = 16
    private static let noticeInterval: Duration = .seconds(1)
    /// How long the backlog is left alone when the system is out of descriptors or memory.
    private static let resourcePause: Duration = .milliseconds(100)

    private var listeners: [Listener] = []
    private(set) var pausedUntil: ContinuousClock.Instant?
    private var nextNotice: ContinuousClock.Instant?

    /// Those that can be asked now.
    var descriptors: [CInt] { pausedUntil == nil ? listeners.map { $0.descriptor.number } : [] }

    mutating func add(_ listener: Listener) {
        listeners.append(listener)
    }

    /// What is in the backlog from now on is another process's.
    mutating func close() {
        listeners = []
        pausedUntil = nil
    }

    mutating func endPause(_ now: ContinuousClock.Instant) {
        if let until = pausedUntil, now >= until { pausedUntil = nil }
    }

    /// Gives what is in the backlogs to `body`: a batch of each, or all that is there. Returns how many came.
    mutating func accept(
        all: Bool = false,
        now: ContinuousClock.Instant,
        logger: Logger,
        _ body: (consuming OwnedConnection, _ peer: SocketAddress, _ listener: Listener) -> Void
    ) -> Int {
        var count = 0
        for listener in listeners {
            var left = all ? Int(CInt.max) : Self.batch
            accepting: while left > 0 {
                left -= 1
                switch listener.accept() {
                case .connection(let connection, let peer):
                    count += 1
                    body(connection, peer, listener)
                case .skip: continue
                case .nothing: break accepting
                case .exhausted(let errno):
                    pausedUntil = now + Self.resourcePause
                    if nextNotice.map({ now >= $0 }) ?? true {
                        nextNotice = now + Self.noticeInterval
                        logger.warning(
                            "cannot accept: out of descriptors or memory",
                            metadata: ["error": "\(Libc.describe(errno: errno))"]
                        )
                    }
                    return count
                }
            }
        }
        return count
    }
}
