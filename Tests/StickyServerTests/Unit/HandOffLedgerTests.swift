import Testing

@testable import StickyServer

@Suite("Hand-off ledger")
struct HandOffLedgerTests {
    private func ledger(_ pairs: [TestPair]) -> HandOffLedger {
        var ledger = HandOffLedger()
        for (index, pair) in pairs.enumerated() { ledger.add(pair.heldSocket(home: index)) }
        return ledger
    }

    private func pairs(_ count: Int) throws -> [TestPair] {
        try (0..<count).map { _ in try TestPair() }
    }

    @Test("A receipt closes the master's copies of the oldest, and the worker's stay connected")
    func receipt() throws {
        let pairs = try pairs(4)
        let copy = try pairs[0].copy()
        var ledger = ledger(pairs)
        let isGood = ledger.receipt(2)
        let (count, receipted) = (ledger.count, ledger.receipted)
        #expect(isGood)
        #expect(count == 2)
        #expect(receipted == 2)
        // The first has its copy, so it is still connected; the second had none left but the master's.
        #expect(pairs.map(\.hasEnded) == [false, true, false, false])
        _ = consume copy
        #expect(pairs.map(\.hasEnded) == [true, true, false, false])
    }

    @Test("Receipts add up")
    func sum() throws {
        let pairs = try pairs(5)
        var ledger = ledger(pairs)
        for count in [1, 0, 3, 1] {
            let isGood = ledger.receipt(count)
            #expect(isGood)
        }
        let (count, receipted) = (ledger.count, ledger.receipted)
        #expect(count == 0)
        #expect(receipted == 5)
    }

    @Test(
        "A receipt for more than was sent is refused and takes nothing",
        arguments: [3, 65_535, Int.max, -1, Int.min]
    )
    func overReceipt(_ claimed: Int) throws {
        let pairs = try pairs(2)
        var ledger = ledger(pairs)
        let isGood = ledger.receipt(claimed)
        let (count, receipted) = (ledger.count, ledger.receipted)
        #expect(!isGood)
        #expect(count == 2)
        #expect(receipted == 0)
        #expect(pairs.map(\.hasEnded) == [false, false])
    }

    @Test("Sockets are taken back newest first, so that prepending keeps their order")
    func takeBack() throws {
        let pairs = try pairs(4)
        var ledger = ledger(pairs)
        _ = ledger.receipt(1)
        var waiting = NonCopyableQueue<HeldSocket>()
        while let held = ledger.takeBack() { waiting.prepend(held) }
        let left = ledger.count
        #expect(left == 0)
        #expect(pairs.map(\.hasEnded) == [true, false, false, false])
        var homes: [Int] = []
        while let held = waiting.popFirst() { homes.append(held.route.home) }
        #expect(homes == [1, 2, 3])
        #expect(pairs.map(\.hasEnded) == [true, true, true, true])
    }

    @Test("The oldest can be taken alone, and each can be looked at")
    func oldest() throws {
        let pairs = try pairs(3)
        var ledger = ledger(pairs)
        let oldest = ledger.takeOldest().read { $0.route.home }
        #expect(oldest == 0)
        #expect(pairs.map(\.hasEnded) == [true, false, false])
        var seen: [Int] = []
        for index in -1...3 { ledger.withSocket(at: index) { seen.append($0.route.home) } }
        #expect(seen == [1, 2])
    }

    @Test("An empty ledger gives nothing and takes an empty receipt")
    func empty() {
        var ledger = HandOffLedger()
        let gives = ledger.takeBack() != nil || ledger.takeOldest() != nil
        let takesNone = ledger.receipt(0)
        let takesOne = ledger.receipt(1)
        #expect(!gives)
        #expect(takesNone)
        #expect(!takesOne)
    }

    @Test("What the ledger still holds ends with it, whoever has copies")
    func ending() throws {
        let pairs = try pairs(2)
        let copy = try pairs[0].copy()
        do {
            let ledger = ledger(pairs)
            let count = ledger.count
            #expect(count == 2)
        }
        #expect(pairs.map(\.hasEnded) == [true, true])
        _ = consume copy
    }
}
