#if Hummingbird
import Synchronization

/// Counts per client, in this worker's memory and nowhere else: the reason why a client should come back to it.
final class CounterStore: Sendable {
    static let cookie = "sticky-demo-client"

    private let clients = Mutex(Clients())

    /// Counts one visit. A client without a name, or with one that is not of our making, gets a new one.
    func visit(_ name: String?) -> (name: String, count: Int, isNew: Bool) {
        clients.withLock { $0.visit(name) }
    }
}

private struct Clients: Sendable {
    private static let mostClients = 10_000

    private var counts: [String: Int] = [:]
    /// In the order in which they came, so that the oldest makes room.
    private var order: [String] = []
    private var oldest = 0

    mutating func visit(_ name: String?) -> (name: String, count: Int, isNew: Bool) {
        if let name, Self.isValid(name) {
            let isNew = counts[name] == nil
            if isNew { makeRoom(for: name) }
            let count = (counts[name] ?? 0) + 1
            counts[name] = count
            return (name, count, false)
        }
        let name = Self.makeName()
        makeRoom(for: name)
        counts[name] = 1
        return (name, 1, true)
    }

    private mutating func makeRoom(for name: String) {
        if order.count < Self.mostClients {
            order.append(name)
        } else {
            counts[order[oldest]] = nil
            order[oldest] = name
            oldest = (oldest + 1) % Self.mostClients
        }
    }

    private static func makeName() -> String {
        let text = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    private static func isValid(_ name: String) -> Bool {
        name.utf8.count == 16 && name.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}
#endif
