import Testing

@testable import StickyServer

@Suite("Pace of accepting")
struct AcceptPacingTests {
    @Test("While workers take what they are sent, connections are accepted as they come")
    func keepingUp() {
        var pacing = AcceptPacing()
        for _ in 0..<10 {
            pacing.accepting(areBehind: false)
            pacing.accepted(3)
            #expect(pacing.hold == 0)
        }
    }

    @Test("While all are behind it gets slower up to a limit, and faster again as soon as one is not")
    func behind() {
        var pacing = AcceptPacing()
        var holds: [CInt] = []
        for areBehind in [true, true, true, true, true, false, false, false, true] {
            pacing.accepting(areBehind: areBehind)
            pacing.accepted(1)
            holds.append(pacing.hold)
        }
        #expect(holds == [1, 2, 4, 4, 4, 2, 1, 0, 1])
    }

    @Test("When nobody comes any more, the next is accepted at once")
    func quiet() {
        var pacing = AcceptPacing()
        for _ in 0..<5 { pacing.accepting(areBehind: true) }
        pacing.accepted(0)
        #expect(pacing.hold == 0)
    }
}

@Suite("When receipts are looked for")
struct ReceiptWatchTests {
    @Test("Soon at first, then ever more seldom, and soon again after progress")
    func pauses() {
        var watch = ReceiptWatch()
        let pauses = (0..<8).map { _ in watch.next() }
        #expect(pauses == [2, 4, 8, 16, 32, 64, 64, 64].map { .milliseconds($0) })
        watch.progressed()
        let after = watch.next()
        #expect(after == .milliseconds(2))
    }
}
