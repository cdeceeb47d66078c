#if Hummingbird
internal import Synchronization

/// Counts the tasks that serve connections and streams, so that what they use is not ended under them.
final class ActiveTasks: Sendable {
    private struct Waiting: Sendable {
        var isAbandoned = false
        var continuation: CheckedContinuation<Void, Never>?
    }

    private let count = Atomic<Int>(0)
    private let waiting = Mutex(Waiting())

    func begin() {
        count.add(1, ordering: .relaxed)
    }

    func end() {
        if count.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { wake() }
    }

    /// Returns when no task is left, or when the rest is abandoned. For one caller, when no more connections come.
    func wait() async {
        await withCheckedContinuation { continuation in
            waiting.withLock { $0.continuation = continuation }
            wake()
        }
    }

    /// There is no time for those that are left.
    func abandon() {
        waiting.withLock { $0.isAbandoned = true }
        wake()
    }

    private func wake() {
        let isIdle = count.load(ordering: .acquiring) <= 0
        let continuation = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
            guard isIdle || waiting.isAbandoned else { return nil }
            defer { waiting.continuation = nil }
            return waiting.continuation
        }
        continuation?.resume()
    }
}
#endif
