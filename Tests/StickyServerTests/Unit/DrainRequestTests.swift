import Testing

@testable import StickyServer

@Suite("Drain request")
struct DrainRequestTests {
    private func request(_ spread: Duration) -> DrainRequest {
        DrainRequest(reason: .replaced, deadline: .now + .seconds(60), spread: spread)
    }

    @Test("Connections are told evenly over the spread, the first at once and the last before its end")
    func even() {
        let request = request(.seconds(10))
        let delays = (0..<5).map { request.delay(ofConnection: $0, of: 5) }
        #expect(delays == [0, 2, 4, 6, 8].map { .seconds($0) })
        let many = (0..<10_000).map { request.delay(ofConnection: $0, of: 10_000) }
        #expect(many == many.sorted())
        #expect(Set(many).count == 10_000)
        #expect(many[9999] < .seconds(10))
    }

    @Test("Without a spread, or with one connection, all are told at once", arguments: [Duration.zero, .seconds(-1)])
    func atOnce(_ spread: Duration) {
        #expect(request(spread).spread == .zero)
        #expect(request(spread).delay(ofConnection: 3, of: 4) == .zero)
        #expect(request(.seconds(10)).delay(ofConnection: 0, of: 1) == .zero)
    }

    @Test("An index out of range is the nearest one in it")
    func range() {
        #expect(request(.seconds(10)).delay(ofConnection: -1, of: 5) == .zero)
        #expect(request(.seconds(10)).delay(ofConnection: 99, of: 5) == .seconds(8))
        #expect(request(.seconds(10)).delay(ofConnection: 1, of: -5) == .zero)
    }
}
