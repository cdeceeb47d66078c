/// When the master looks for receipts that no frame tells, as a pure value: soon after it has handed on a connection,
/// and ever more seldom while none come.
struct ReceiptWatch: Sendable, Hashable {
    /// The first pause, in which a worker that is awake has long receipted, and the longest, for one that hangs.
    static let shortestPause: Duration = .milliseconds(2)
    static let longestPause: Duration = .milliseconds(64)

    private var pause = Self.shortestPause

    /// Receipts came, or new connections went out.
    mutating func progressed() {
        pause = Self.shortestPause
    }

    /// The time until the next look.
    mutating func next() -> Duration {
        defer { pause = min(pause * 2, Self.longestPause) }
        return pause
    }
}
