internal import Synchronization

/// Gives the master's events to whoever subscribed. Safe on any thread.
final class EventHub: Sendable {
    private struct Subscriber: Sendable {
        let filter: EventFilter
        let continuation: AsyncStream<MasterEvent>.Continuation
    }

    private struct State: Sendable {
        var subscribers: [Int: Subscriber] = [:]
        var nextID = 0
        var isFinished = false
    }

    let counts = CountBoard()
    private let state = Mutex(State())
    /// The union of all filters, so that the hot path need not build events that nobody wants, nor take the lock.
    private let wanted = Atomic<Int>(0)

    func wants(_ filter: EventFilter) -> Bool {
        wanted.load(ordering: .relaxed) & filter.rawValue != 0
    }

    /// Events that a slow subscriber leaves unread are kept up to `limit`; then the newest are dropped.
    func subscribe(_ filter: EventFilter, limit: Int) -> AsyncStream<MasterEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: MasterEvent.self,
            bufferingPolicy: .bufferingOldest(limit)
        )
        let id: Int? = state.withLock { state in
            guard !state.isFinished else { return nil }
            state.nextID += 1
            state.subscribers[state.nextID] = Subscriber(filter: filter, continuation: continuation)
            updateWanted(state)
            return state.nextID
        }
        guard let id else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [self] _ in
            state.withLock { state in
                state.subscribers[id] = nil
                updateWanted(state)
            }
        }
        return stream
    }

    func publish(_ event: MasterEvent, to filter: EventFilter) {
        guard wants(filter) else { return }
        let subscribers = state.withLock { Array($0.subscribers.values) }
        for subscriber in subscribers where !subscriber.filter.isDisjoint(with: filter) {
            subscriber.continuation.yield(event)
        }
    }

    func finish() {
        let subscribers = state.withLock { state in
            state.isFinished = true
            return Array(state.subscribers.values)
        }
        for subscriber in subscribers { subscriber.continuation.finish() }
    }

    private func updateWanted(_ state: State) {
        let union = state.subscribers.values.reduce(0) { $0 | $1.filter.rawValue }
        wanted.store(union, ordering: .relaxed)
    }
}
