/// When a worker that serves well is replaced all the same: against slow leaks and fragmentation. All off by default.
public struct RecyclingPolicy: Sendable, Hashable {
    /// After so many connections.
    public var afterConnections: Int?
    /// After it has served for so long.
    public var afterTime: Duration?
    /// When its resident memory exceeds so many bytes (`VmRSS`, proc(5); Linux only).
    public var aboveMemory: Int?
    /// Each worker draws its own limits, up to this share below the ones given, so that they are not replaced all at
    /// the same moment. Default: 0.1.
    public var jitter = 0.1

    /// Never.
    public init() {}

    var isOn: Bool { afterConnections != nil || afterTime != nil || aboveMemory != nil }
}

/// One worker's own limits, as a pure value.
struct RecyclingLimits: Sendable {
    let connections: Int?
    let time: Duration?
    let memory: Int?

    /// `chance` is uniform in 0 ..< 1.
    init(_ policy: RecyclingPolicy, chance: Double) {
        let share = 1 - min(max(policy.jitter, 0), 1) * chance
        // The largest counts have no exact Double, and one next to Int.max rounds beyond it.
        connections = policy.afterConnections.map { max(1, Int(exactly: (Double($0) * share).rounded(.down)) ?? $0) }
        time = policy.afterTime.map { $0 * share }
        // Memory differs between workers by itself.
        memory = policy.aboveMemory
    }

    /// Which limit is reached, as a word for the log; nil while none is.
    func reached(connections count: Int, age: Duration, memory resident: () -> Int?) -> String? {
        if let connections, count >= connections { return "connections" }
        if let time, age >= time { return "time" }
        if let memory, let resident = resident(), resident > memory { return "memory" }
        return nil
    }
}
