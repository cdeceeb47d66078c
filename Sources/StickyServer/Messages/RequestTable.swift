internal import Synchronization

/// The requests of this process that wait for an answer. Safe on any thread.
final class RequestTable: Sendable {
    private typealias Waiting = CheckedContinuation<[UInt8], any Error>

    private struct State: Sendable {
        var next: UInt32 = 0
        var waiting: [UInt32: Waiting] = [:]
    }

    private let state = Mutex(State())

    /// A number that no request of this process has.
    func nextNumber() -> UInt32 {
        state.withLock { state in
            // Envelopes without a request have 0.
            state.next = state.next == .max ? 1 : state.next + 1
            return state.next
        }
    }

    /// Sends a request with `send` and waits for its answer, at most for `timeout`.
    func perform(
        number: UInt32? = nil,
        timeout: Duration,
        _ send: @escaping @Sendable (UInt32) async throws -> Void
    ) async throws -> [UInt8] {
        let number = number ?? nextNumber()
        var limit: Task<Void, any Error>?
        defer { limit?.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: Waiting) in
                state.withLock { $0.waiting[number] = continuation }
                // A cancellation before this found nobody who waits, and so would a limit that ran already.
                guard !Task.isCancelled else { return fail(number, CancellationError()) }
                limit = Task {
                    // No time that a caller gives may overflow the clock.
                    try await Task.sleep(for: min(max(timeout, .zero), Configuration.longestTime))
                    fail(number, StickyServerError(.requestTimedOut, "no answer within \(timeout)"))
                }
                Task {
                    do { try await send(number) } catch { self.fail(number, error) }
                }
            }
        } onCancel: {
            fail(number, CancellationError())
        }
    }

    /// The answer has come. False when it comes too late and is for nobody.
    @discardableResult
    func answer(_ number: UInt32, _ payload: [UInt8]) -> Bool {
        guard let waiting = take(number) else { return false }
        waiting.resume(returning: payload)
        return true
    }

    /// The same answer for everybody who waits.
    func answerAll(_ payload: [UInt8] = []) {
        let all = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting
        }
        for waiting in all.values { waiting.resume(returning: payload) }
    }

    func refuse(_ number: UInt32) {
        fail(
            number,
            StickyServerError(.requestRefused, "the receiver is gone, or does not answer requests")
        )
    }

    private func fail(_ number: UInt32, _ error: any Error) {
        take(number)?.resume(throwing: error)
    }

    private func take(_ number: UInt32) -> Waiting? {
        state.withLock { $0.waiting.removeValue(forKey: number) }
    }
}
