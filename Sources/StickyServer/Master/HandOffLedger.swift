/// The sockets that were sent to one worker and not yet receipted, in the order in which they were sent.
///
/// The master keeps its own copy of each until the receipt. A receipt names only a count: both ends see the frames in
/// the same order, so the oldest are meant.
struct HandOffLedger: ~Copyable, Sendable {
    private var sent = NonCopyableQueue<HeldSocket>()
    /// Sockets that were receipted in this worker's life.
    private(set) var receipted = 0

    var count: Int { sent.count }

    mutating func add(_ held: consuming HeldSocket) {
        sent.append(held)
    }

    /// The worker owns the oldest `count` sockets: this process's copies are closed, after `body` has looked at each.
    /// False when the worker claims more than it was sent.
    mutating func receipt(_ count: Int, _ body: (borrowing HeldSocket) -> Void = { _ in }) -> Bool {
        guard (0...sent.count).contains(count) else { return false }
        for _ in 0..<count {
            guard let held = sent.popFirst() else { return false }
            body(held)
            held.takeSocket().release()
        }
        receipted += count
        return true
    }

    /// Looks at the socket that was sent `index` after the oldest.
    borrowing func withSocket(at index: Int, _ body: (borrowing HeldSocket) -> Void) {
        _ = sent.withElement(at: index, body)
    }

    /// The oldest socket that was not receipted, for a worker that could not take it.
    mutating func takeOldest() -> HeldSocket? {
        sent.popFirst()
    }

    /// The newest socket that was not receipted, for the next process. Nil when all are taken back.
    mutating func takeBack() -> HeldSocket? {
        sent.popLast()
    }
}
