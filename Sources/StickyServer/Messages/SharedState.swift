internal import Synchronization

/// Named bytes that the master gives to every worker: those that live, and each new one before it can be ready.
///
/// For what all copies of a server must agree on and what must outlive each of them, such as session ticket keys. The
/// values survive respawn, reload and upgrade, and are never written to disk. One that is replaced is wiped, unless somebody
/// holds a copy. Safe on any thread.
public final class SharedState: Sendable {
    private struct State: Sendable {
        var values: [String: [UInt8]] = [:]
        /// In the order in which they came.
        var observers: [(number: Int, call: @Sendable (String, [UInt8]) -> Void)] = []
        var next = 0
    }

    private let state = Mutex(State())

    init() {}

    /// What the master has shared under this name; nil when it has not.
    public func value(_ name: String) -> [UInt8]? {
        state.withLock { $0.values[name] }
    }

    /// Calls `observer` for every later change, on the worker's control thread, until what is returned is cancelled. It
    /// must not block. Without a cancellation it lasts as long as the worker.
    @discardableResult
    public func observe(
        _ observer: @escaping @Sendable (_ name: String, _ value: [UInt8]) -> Void
    ) -> Observation {
        let number = state.withLock { state in
            state.next += 1
            state.observers.append((state.next, observer))
            return state.next
        }
        return Observation(self, number)
    }

    /// Every later change of one value, until the stream is let go. A reader that does not keep up sees only the newest.
    public func changes(of name: String) -> AsyncStream<[UInt8]> {
        let (stream, continuation) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingNewest(1))
        let observation = observe { changed, value in
            if changed == name { continuation.yield(value) }
        }
        continuation.onTermination = { _ in observation.cancel() }
        return stream
    }

    func set(_ name: String, _ value: [UInt8]) {
        let (old, observers) = state.withLock { state in
            (state.values.updateValue(value, forKey: name), state.observers)
        }
        wipe(old)
        for observer in observers { observer.call(name, value) }
    }

    var observerCount: Int { state.withLock { $0.observers.count } }

    fileprivate func remove(_ number: Int) {
        state.withLock { $0.observers.removeAll { $0.number == number } }
    }

    /// Ends an observation. Letting go of it does not.
    public struct Observation: Sendable {
        private weak let state: SharedState?
        private let number: Int

        fileprivate init(_ state: SharedState, _ number: Int) {
            self.state = state
            self.number = number
        }

        /// No call begins after this; one may be under way. A second call does nothing.
        public func cancel() {
            state?.remove(number)
        }
    }
}
