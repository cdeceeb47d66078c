/// How much a slot's process is sent at a time, as a pure value: everything while it takes what comes; one socket, after
/// a pause that grows, while it or the kernel has no room for descriptors; and more with each receipt from there.
struct SendWindow: Sendable, Hashable {
    /// The first pause, and the longest: within it a recovery is noticed, and trying in vain costs next to nothing.
    static let shortestPause: Duration = .milliseconds(10)
    static let longestPause: Duration = .milliseconds(80)

    /// Sockets that may be under way; nil means that only the configured limit counts.
    private(set) var limit: Int?
    private var pause = Self.shortestPause

    /// There was no room. Gives the time to wait before the next try.
    mutating func refused() -> Duration {
        limit = 1
        defer { pause = min(pause * 2, Self.longestPause) }
        return pause
    }

    /// So many sockets were taken.
    mutating func receipted(_ count: Int, configured: Int) {
        guard let limit, count > 0 else { return }
        pause = Self.shortestPause
        let wider = limit * 2
        self.limit = wider < configured ? wider : nil
    }
}
