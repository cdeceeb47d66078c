/// Why and until when a worker finishes what it has.
public struct DrainRequest: Sendable {
    /// Why a worker drains.
    public struct Reason: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case stopping, replaced
            case masterGone = "master-gone"
        }
        private let kind: Kind

        /// The whole server stops: close idle connections at once.
        public static let stopping = Reason(kind: .stopping)
        /// A successor serves the slot: idle connections may wait for one more request, so that none meets a socket
        /// that closes at that moment.
        public static let replaced = Reason(kind: .replaced)
        /// The master has died: no successor comes.
        public static let masterGone = Reason(kind: .masterGone)

        /// `stopping`, `replaced` or `master-gone`.
        public var description: String { kind.rawValue }
    }

    /// Why.
    public let reason: Reason
    /// When the process ends, whatever is still open.
    public let deadline: ContinuousClock.Instant
    /// Over what time connections are to be told, so that their clients do not all come back at once. Zero when all
    /// are to be told now. It ends before the deadline.
    public let spread: Duration

    /// Makes a request, as tests of a ``ConnectionHandler`` do.
    public init(reason: Reason, deadline: ContinuousClock.Instant, spread: Duration = .zero) {
        self.reason = reason
        self.deadline = deadline
        self.spread = max(.zero, spread)
    }

    /// When the connection at `index` of `count` is to be told, counted from now: evenly over ``spread``, the first at
    /// once. The order of the connections is the caller's.
    public func delay(ofConnection index: Int, of count: Int) -> Duration {
        guard count > 1, index > 0, spread > .zero else { return .zero }
        return spread * (Double(min(index, count - 1)) / Double(count))
    }
}
