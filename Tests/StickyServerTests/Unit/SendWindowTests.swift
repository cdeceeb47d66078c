import Testing

@testable import StickyServer

@Suite("Send window")
struct SendWindowTests {
    @Test("Without a refusal only the configured limit counts")
    func open() {
        var window = SendWindow()
        window.receipted(100, configured: 128)
        #expect(window.limit == nil)
    }

    @Test("Refusals in a row wait longer each time, up to a limit, and let one socket through")
    func refusals() {
        var window = SendWindow()
        let pauses = (0..<6).map { _ in window.refused() }
        #expect(pauses == [10, 20, 40, 80, 80, 80].map { .milliseconds($0) })
        #expect(window.limit == 1)
    }

    @Test("Receipts open it by doubling, and the next refusal begins anew")
    func receipts() {
        var window = SendWindow()
        for _ in 0..<5 { _ = window.refused() }
        var limits: [Int?] = []
        for _ in 0..<5 {
            window.receipted(1, configured: 16)
            limits.append(window.limit)
        }
        #expect(limits == [2, 4, 8, nil, nil])
        #expect(window.refused() == SendWindow.shortestPause)
        window.receipted(0, configured: 16)
        #expect(window.limit == 1)
    }
}
