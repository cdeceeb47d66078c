import Testing

@testable import StickyServer

@Suite("Limits of connections")
struct ConnectionAccountTests {
    private func account(
        total: Int? = nil,
        perWorker: Int? = nil,
        perSource: Int? = nil
    ) -> ConnectionAccount {
        var limits = ConnectionLimits()
        (limits.total, limits.perWorker, limits.perSource) = (total, perWorker, perSource)
        return ConnectionAccount(limits)
    }

    private func route(_ hash: UInt64, _ reason: RouteReason = .address) -> Route {
        Route(home: 0, hash: hash, reason: reason)
    }

    @Test("Without limits nothing is counted and nothing refused")
    func off() {
        let account = account()
        #expect(account.tag(for: route(5)) == .none)
        #expect(account.refusal(of: .none, inSlot: .max) == nil)
        #expect(!account.isFull(slot: .max))
    }

    @Test("No source has the number of those that are not counted or have no address", arguments: [0, 1, 2, .max])
    func tags(_ hash: UInt64) {
        let account = account(total: 1)
        let tag = account.tag(for: route(hash))
        #expect(tag != .none && tag != .anonymous)
        #expect(account.tag(for: route(hash, .rehomed)) == tag)
        #expect(account.tag(for: route(hash, .roundRobin)) == .anonymous)
    }

    @Test("The limit in all holds until one ends")
    func total() {
        var account = account(total: 2)
        let tags = [account.tag(for: route(7)), account.tag(for: route(8))]
        #expect(account.refusal(of: tags[0], inSlot: 0) == nil)
        for tag in tags { account.add(tag) }
        #expect(account.refusal(of: tags[0], inSlot: 0) == .totalLimit)
        #expect(account.refusal(of: .anonymous, inSlot: 0) == .totalLimit)
        account.remove(tags[1])
        #expect(account.refusal(of: tags[0], inSlot: 0) == nil)
    }

    @Test("The limit of a source holds for that source alone, and not for peers without an address")
    func source() {
        var account = account(perSource: 1)
        let (one, other) = (account.tag(for: route(7)), account.tag(for: route(8)))
        account.add(one)
        account.add(.anonymous)
        #expect(account.refusal(of: one, inSlot: 0) == .sourceLimit)
        #expect(account.refusal(of: other, inSlot: 0) == nil)
        #expect(account.refusal(of: .anonymous, inSlot: 0) == nil)
        account.remove(one)
        #expect(account.refusal(of: one, inSlot: 0) == nil)
    }

    @Test("The limit of a worker is that of its slot")
    func worker() {
        let account = account(perWorker: 3)
        let tag = account.tag(for: route(7))
        #expect(account.refusal(of: tag, inSlot: 2) == nil)
        #expect(account.refusal(of: tag, inSlot: 3) == .workerLimit)
        #expect(!account.isFull(slot: 2) && account.isFull(slot: 3))
    }

    @Test("The table has no entry for a source that has no connection left")
    func table() {
        var counts = TagCounts()
        for number in 2..<10_002 { counts.add(ConnectionTag(number: UInt64(number)), 2) }
        #expect(counts.total == 20_000)
        for number in 2..<10_002 {
            let tag = ConnectionTag(number: UInt64(number))
            let removes = (counts.remove(tag), counts.count(of: tag), counts.remove(tag))
            #expect(removes == (true, 1, true))
        }
        #expect(counts.counts.isEmpty && counts.total == 0)
    }

    @Test("More ends than there were are refused and change nothing")
    func nonsense() {
        var counts = TagCounts()
        let tag = ConnectionTag(number: 9)
        counts.add(tag)
        counts.add(.none)
        for (tag, count) in [(tag, 2), (tag, 0), (tag, -1), (.none, 1), (ConnectionTag(number: 10), 1)] {
            let isGood = counts.remove(tag, count)
            #expect(!isGood)
        }
        #expect(counts.total == 1 && counts.count(of: tag) == 1)
    }

    @Test("As many ends as a frame tells fit it")
    func frame() throws {
        let tags = (0..<ConnectionTag.mostInFrame).map { ConnectionTag(number: UInt64($0)) }
        let bytes = Frame.closed(tags)
        #expect(bytes.count <= Frame.maximumLength)
        let frame = try ParsedFrame(bytes)
        #expect(frame.kind == .closed && frame.count == tags.count)
        let last = try withReader(frame.payload) { reader throws(FrameError) in
            _ = try reader.read(count: 8 * (tags.count - 1))
            return try reader.read(UInt64.self)
        }
        #expect(last == tags.last?.number)
    }
}
