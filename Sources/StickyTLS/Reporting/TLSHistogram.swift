/// Counts durations in fixed classes, as monitoring systems want histograms.
public struct TLSHistogram: Sendable, Hashable {
    /// The upper bounds of the classes in seconds, without the last one, which has none.
    public static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    /// How many durations were at most as long as the bound of the same place, and longer than the bound before it; the
    /// last number is for those beyond all bounds.
    public let counts: [Int]
    /// The sum of all durations, in seconds.
    public var sum: Double { Double(nanoseconds) / 1e9 }
    /// How many durations there were.
    public var count: Int { counts.reduce(0, +) }

    private let nanoseconds: Int64

    init(counts: [Int], nanoseconds: Int64) {
        self.counts = counts
        self.nanoseconds = nanoseconds
    }
}
