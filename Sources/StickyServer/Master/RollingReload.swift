/// The order of a rolling reload, as a pure value: one slot at a time gets a successor, and the first that fails ends
/// the reload.
struct RollingReload: Sendable {
    enum Action: Sendable, Equatable {
        case none
        /// Start a successor for this slot.
        case start(slot: Int)
        case finished(replaced: Int)
        case aborted(slot: Int)
    }

    private var remaining: [Int] = []
    /// The slot whose successor is starting.
    private(set) var current: Int?
    private var replaced = 0
    /// A reload that was asked for during this one: what it wants to load may be newer than what is being started.
    private var isRequestedAgain = false

    var isRunning: Bool { current != nil }

    /// Begins, or notes that another one is wanted after this.
    mutating func begin(slots: [Int]) -> Action {
        guard !isRunning else {
            isRequestedAgain = true
            return .none
        }
        remaining = slots.reversed()
        replaced = 0
        return next()
    }

    /// A slot's successor took over, or the slot needs none.
    mutating func succeeded(slot: Int, counts: Bool = true) -> Action {
        guard slot == current else { return .none }
        if counts { replaced += 1 }
        return next()
    }

    /// A slot's successor ended before it was ready.
    mutating func failed(slot: Int) -> Action {
        guard slot == current else { return .none }
        cancel()
        return .aborted(slot: slot)
    }

    /// Whether another reload was asked for meanwhile; true once.
    mutating func takeRequest() -> Bool {
        defer { isRequestedAgain = false }
        return isRequestedAgain
    }

    mutating func cancel() {
        remaining = []
        current = nil
    }

    private mutating func next() -> Action {
        current = remaining.popLast()
        if let current { return .start(slot: current) }
        return .finished(replaced: replaced)
    }
}
