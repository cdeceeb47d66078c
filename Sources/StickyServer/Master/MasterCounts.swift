internal import Synchronization

/// What a master has counted since it was started, or since its last upgrade.
public struct MasterCounts: Sendable, Hashable {
    /// Connections that were accepted, those included that were then dropped.
    public var accepted = 0
    /// Connections that the master closed unserved, by reason.
    public var dropped: [DropReason: Int] = [:]
    /// Connections that are open now, as far as the limits count them: 0 when none is set.
    public var counted = 0

    /// Nothing yet.
    public init() {}
}

/// Where the master's loop writes its counts and others read them. Safe on any thread.
final class CountBoard: Sendable {
    private let counts = Mutex(MasterCounts())

    var current: MasterCounts { counts.withLock { $0 } }

    func accepted(_ count: Int) {
        counts.withLock { $0.accepted += count }
    }

    func dropped(_ reason: DropReason) {
        counts.withLock { $0.dropped[reason, default: 0] += 1 }
    }

    func counted(_ count: Int) {
        counts.withLock { $0.counted = count }
    }
}
