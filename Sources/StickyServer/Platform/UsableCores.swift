internal import CStickyServer

/// How many cores this process may use: the smaller of its CPU affinity and its cgroup's quota.
enum UsableCores {
    static func count() -> Int {
        let affinity = max(1, Int(sticky_affinity_count()))
        guard let quota = quotaV2() ?? quotaV1() else { return affinity }
        return max(1, min(affinity, quota))
    }

    /// cgroup v2: `cpu.max` holds «QUOTA PERIOD» in microseconds, or «max PERIOD» for no limit.
    static func parseCPUMax(_ text: String) -> Int? {
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count == 2, let quota = Int(fields[0]), let period = Int(fields[1]) else { return nil }
        return cores(quota: quota, period: period)
    }

    /// A quota of 150 % buys two processes that run three quarters of the time, not one that leaves a half unused.
    static func cores(quota: Int, period: Int) -> Int? {
        guard quota > 0, period > 0 else { return nil }
        return quota / period + (quota % period == 0 ? 0 : 1)
    }

    private static func quotaV2() -> Int? {
        SmallFile.read("/sys/fs/cgroup/cpu.max").flatMap(parseCPUMax)
    }

    private static func quotaV1() -> Int? {
        guard
            let quota = SmallFile.read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").flatMap(firstNumber),
            let period = SmallFile.read("/sys/fs/cgroup/cpu/cpu.cfs_period_us").flatMap(firstNumber)
        else { return nil }
        return cores(quota: quota, period: period)
    }

    private static func firstNumber(_ text: String) -> Int? {
        text.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
    }
}
