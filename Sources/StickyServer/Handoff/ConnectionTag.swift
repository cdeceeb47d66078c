/// What a counted connection is known by between the master and its worker: where it comes from. The worker sends it
/// back when the connection has ended.
struct ConnectionTag: Sendable, Hashable {
    let number: UInt64

    init(number: UInt64) {
        self.number = number
    }

    /// A hash that is one of the two numbers below counts as another one, which is as likely as any collision.
    init(_ route: Route) {
        if route.reason == .roundRobin {
            self = .anonymous
        } else {
            number = route.hash > 1 ? route.hash : route.hash + 2
        }
    }

    /// Not counted, because no limit is set: the worker does not report its end.
    static let none = ConnectionTag(number: 0)
    /// Counted, from a peer without an address.
    static let anonymous = ConnectionTag(number: 1)

    /// A frame tells of at most so many.
    static let mostInFrame = Frame.maximumPayload / MemoryLayout<UInt64>.size
}

/// Connections by their tags. There is an entry for each tag that has one, so the table is no larger than the
/// connections that it counts.
struct TagCounts: Sendable, Hashable {
    private(set) var counts: [ConnectionTag: Int] = [:]
    private(set) var total = 0

    func count(of tag: ConnectionTag) -> Int { counts[tag] ?? 0 }

    mutating func add(_ tag: ConnectionTag, _ count: Int = 1) {
        guard tag != .none, count > 0 else { return }
        counts[tag, default: 0] += count
        total += count
    }

    /// False when there are not so many.
    mutating func remove(_ tag: ConnectionTag, _ count: Int = 1) -> Bool {
        guard let before = counts[tag], count > 0, before >= count else { return false }
        counts[tag] = before == count ? nil : before - count
        total -= count
        return true
    }
}
