/// Who has how many connections, against the limits. A pure value.
struct ConnectionAccount: Sendable {
    let limits: ConnectionLimits
    /// Every counted connection: waiting, on its way, open in a worker.
    private(set) var all = TagCounts()

    init(_ limits: ConnectionLimits) {
        self.limits = limits
    }

    /// The tag that a new connection gets.
    func tag(for route: Route) -> ConnectionTag { limits.isOn ? ConnectionTag(route) : .none }

    /// Why one more connection of this tag is too many; nil when it is not. `inSlot` is what its slot has already.
    func refusal(of tag: ConnectionTag, inSlot count: Int) -> DropReason? {
        if let most = limits.total, all.total >= most { return .totalLimit }
        if isFull(slot: count) { return .workerLimit }
        if let most = limits.perSource, tag != .anonymous, all.count(of: tag) >= most { return .sourceLimit }
        return nil
    }

    /// Whether a slot with so many connections may have no more.
    func isFull(slot count: Int) -> Bool {
        limits.perWorker.map { count >= $0 } ?? false
    }

    mutating func add(_ tag: ConnectionTag, _ count: Int = 1) {
        all.add(tag, count)
    }

    mutating func remove(_ tag: ConnectionTag, _ count: Int = 1) {
        // One that is not counted ends uncounted.
        _ = all.remove(tag, count)
    }
}
