import Synchronization
import TestSupport

/// A client that connects, asks and leaves, over and over, until it is told to stop.
final class SlotLoad: Sendable {
    struct Count: Sendable {
        var answered = 0
        /// Ended without an answer.
        var failed = 0
        /// Neither answered nor ended in time.
        var hung = 0
        /// Answered by another slot than the first time.
        var moved = 0
    }

    private struct State: Sendable {
        var count = Count()
        var slot: Int?
        var isStopping = false
    }

    private let state = Shared()
    private let task: Task<Void, Never>

    private final class Shared: Sendable {
        let value = Mutex(State())
    }

    init(port: UInt16, source: String) {
        task = Task { [state] in
            while !state.value.withLock({ $0.isStopping }) { await SlotLoad.once(port, source, state) }
        }
    }

    private static func once(_ port: UInt16, _ source: String, _ state: Shared) async {
        let answer: String?
        do {
            let client = try LineClient(port: port, source: source)
            try client.send("who")
            do {
                answer = try await client.receive(within: 10)
            } catch {
                return state.value.withLock { $0.count.hung += 1 }
            }
        } catch {
            return state.value.withLock { $0.count.failed += 1 }
        }
        let slot = answer.flatMap { try? Who($0).slot }
        state.value.withLock { state in
            guard let slot else {
                state.count.failed += 1
                return
            }
            state.count.answered += 1
            if state.slot == nil { state.slot = slot }
            if state.slot != slot { state.count.moved += 1 }
        }
    }

    var count: Count { state.value.withLock { $0.count } }

    /// Ends after the connection in progress.
    func stop() async -> Count {
        state.value.withLock { $0.isStopping = true }
        await task.value
        return count
    }
}
