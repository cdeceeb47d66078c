internal import Synchronization

/// Named bytes that the master gives to every worker: those that live, and each new one before it can be ready.
///
/// For what all copies of a server must agree on and what must outlive each of them, such as session ticket keys. The
/// values survive respawn, reload and upgrade, and are never written to disk. Safe on any thread.
public final class SharedState: Sendable {
    private struct State: Sendable {
        var values: [String: [UInt8]] = [:]
        var observers: [@Sendable (String, [UInt8]) -> Void] = []
    }

    private let state = Mutex(State())

    init() {}

    /// What the master has shared under this name; nil when it has not.
    public func value(_ name: String) -> [UInt8]? {
        state.withLock { $0.values[name] }
    }

    /// Calls `observer` for every later change, on the worker's control thread. It must not block.
    public func observe(_ observer: @escaping @Sendable (_ name: String, _ value: [UInt8]) -> Void) {
        state.withLock { $0.observers.append(observer) }
    }

    func set(_ name: String, _ value: [UInt8]) {
        let observers = state.withLock { state in
            state.values[name] = value
            return state.observers
        }
        for observer in observers { observer(name, value) }
    }
}
