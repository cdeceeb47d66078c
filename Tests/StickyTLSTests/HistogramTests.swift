import Testing

@testable import StickyTLS

@Suite("Histograms")
struct HistogramTests {
    @Test("A duration is counted in the class of the smallest bound that it does not exceed")
    func classes() {
        let histogram = AtomicHistogram()
        for nanoseconds: Int64 in [0, 1_000_000, 1_000_001, 10_000_000_000, 10_000_000_001, -5] {
            histogram.add(nanoseconds)
        }
        let snapshot = histogram.snapshot
        #expect(snapshot.counts.first == 3)
        #expect(snapshot.counts[1] == 1)
        #expect(snapshot.counts[TLSHistogram.bounds.count - 1] == 1)
        #expect(snapshot.counts.last == 1)
        #expect(snapshot.count == 6)
        #expect(abs(snapshot.sum - 20.002) < 0.001)
    }
}
