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

    /// Makes a request, as tests of a ``ConnectionHandler`` do.
    public init(reason: Reason, deadline: ContinuousClock.Instant) {
        self.reason = reason
        self.deadline = deadline
    }
}
