/// How long the end of a connection is waited for: 2 s, and again as long as the client takes what was sent to it.
struct Patience {
    private(set) var deadline: ContinuousClock.Instant
    private let limit: ContinuousClock.Instant
    private let descriptor: CInt
    private var unsent: Int?

    init(_ descriptor: CInt) {
        let now = ContinuousClock.now
        self.descriptor = descriptor
        deadline = now.advanced(by: .seconds(2))
        limit = now.advanced(by: .seconds(60))
        unsent = SocketCalls.unsent(descriptor)
    }

    /// Whether to go on. Moves the deadline on when the client has taken something.
    mutating func lasts() -> Bool {
        let now = ContinuousClock.now
        if now < deadline { return true }
        guard now < limit, let left = SocketCalls.unsent(descriptor), let unsent, left < unsent else { return false }
        self.unsent = left
        deadline = min(now.advanced(by: .seconds(2)), limit)
        return true
    }
}
