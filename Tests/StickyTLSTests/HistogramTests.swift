import Testing

@testable import StickyTLS

@Suite("Histograms")
struct HistogramTests {
    @Test("A duration is counted in the class of the smallest bound that it does not exceed")
    func classes() {
        var histogram = TLSHistogram()
        for nanoseconds: Int64 in [0, 1_000_000, 1_000_001, 10_000_000_000, 10_000_000_001, -5] {
            histogram.add(nanoseconds)
        }
        #expect(histogram.counts.first == 3)
        #expect(histogram.counts[1] == 1)
        #expect(histogram.counts[TLSHistogram.bounds.count - 1] == 1)
        #expect(histogram.counts.last == 1)
        #expect(histogram.count == 6)
        #expect(abs(histogram.sum - 20.002) < 0.001)
    }
}
