import Testing

@testable import StickyServer

@Suite("State for the next binary")
struct UpgradeStateTests {
    private func entry(_ peer: SocketAddress) -> ConnectionEntry {
        ConnectionEntry(peer: peer, local: .unix(path: "/s"), listener: 1, reason: .address, hops: 0, prelude: [9])
    }

    private func small() -> UpgradeState {
        var state = UpgradeState()
        state.routingKey = [UInt8](0...15)
        state.generations = [0]
        return state
    }

    private func full() -> UpgradeState {
        var state = small()
        state.slotTarget = 2
        state.routedSlots = 1
        state.generations = [7, 1 << 40, 3]
        var open = TagCounts()
        open.add(ConnectionTag(number: .max), 3)
        open.add(.anonymous)
        state.listeners = [.init(descriptor: 5, index: 0), .init(descriptor: 6, index: 1)]
        state.processes = [
            .init(
                slot: 0,
                generation: 7,
                pid: 1234,
                control: 8,
                tally: 9,
                talliedReceipts: 1 << 40,
                isCurrent: true,
                isDraining: false,
                killAfter: nil,
                outbound: []
            ),
            .init(
                slot: 2,
                generation: 3,
                pid: 99,
                control: -1,
                isCurrent: false,
                isDraining: true,
                killAfter: 0,
                crashSignal: 11,
                open: open,
                outbound: [[1, 2, 3], [], [4]]
            ),
        ]
        state.sockets = [
            .init(descriptor: 20, sentTo: 1234, home: 0, hash: .max, entry: entry(.ipv4(1, port: 2))),
            .init(descriptor: 21, sentTo: nil, home: 2, hash: 5, entry: entry(.ipv6(high: 1, low: 2, port: 3))),
        ]
        state.shared = ["keys": [1, 2, 3], "": [], "ä": [4]]
        return state
    }

    private func error(_ bytes: [UInt8]) -> FrameError? {
        frameError { () throws(FrameError) in try UpgradeState(decoding: bytes) }
    }

    @Test("The state comes back as it was")
    func roundTrip() throws {
        for state in [small(), full()] { #expect(try UpgradeState(decoding: state.encoded()) == state) }
    }

    @Test("Every descriptor that must stay open is named, and none that is not there")
    func descriptors() {
        #expect(full().descriptors.sorted() == [5, 6, 8, 9, 20, 21])
    }

    @Test("Every shorter piece is truncated, and bytes behind the end are refused")
    func truncation() {
        let bytes = full().encoded()
        for length in 0..<bytes.count { #expect(error(Array(bytes[..<length])) == .truncated, "length \(length)") }
        #expect(error(bytes + [0]) == .trailingBytes)
    }

    @Test("Another version is refused", arguments: [0, 1, 2, 4, 255])
    func version(_ version: UInt8) {
        var bytes = full().encoded()
        bytes[0] = version
        #expect(error(bytes) == .wrongVersion(version))
    }

    @Test("Numbers of slots that cannot be are refused")
    func slots() {
        for (target, routed) in [(0, 0), (1, 0), (1, 2), (1025, 1), (3, 4)] {
            var state = small()
            state.generations = [0, 0, 0]
            (state.slotTarget, state.routedSlots) = (target, routed)
            #expect(error(state.encoded()) == .outOfRange, "\(target), \(routed)")
        }
    }

    @Test("There is a generation for every slot, and not for more than there can be")
    func generations() {
        var state = small()
        state.slotTarget = 2
        #expect(error(state.encoded()) == .outOfRange)
        state.generations = [Int](repeating: 0, count: 1025)
        #expect(error(state.encoded()) == .outOfRange)
        state.generations.removeLast()
        #expect(error(state.encoded()) == nil)
    }

    @Test("Processes and sockets belong to slots that exist")
    func strangers() {
        var state = full()
        state.processes[0].slot = 3
        #expect(error(state.encoded()) == .outOfRange)
        state = full()
        state.sockets[0].home = 3
        #expect(error(state.encoded()) == .outOfRange)
    }

    @Test("Counts beyond the bytes are truncated without taking memory for them")
    func counts() {
        // After version, key, target and routed slots come the generations' count and the others, all empty.
        let bytes = small().encoded()
        let first = 1 + 16 + 4 + 4
        for offset in [first, first + 4 + 8, first + 4 + 8 + 4, first + 4 + 8 + 8, first + 4 + 8 + 12] {
            var damaged = bytes
            damaged.replaceSubrange(offset..<offset + 4, with: [255, 255, 255, 255])
            #expect(error(damaged) == .truncated, "offset \(offset)")
        }
    }

    @Test("A generation beyond this machine's numbers is the largest")
    func largeGeneration() throws {
        var bytes = small().encoded()
        bytes.replaceSubrange(29..<37, with: [UInt8](repeating: 255, count: 8))
        #expect(try UpgradeState(decoding: bytes).generations == [.max])
    }

    @Test("20,000 damaged states are read or refused, and never trap")
    func fuzz() {
        var random = SeededGenerator(seed: 2)
        let seed = full().encoded()
        var good = 0
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0 ... .max, using: &random)
            }
            if error(bytes) == nil { good += 1 }
        }
        #expect(good > 1000)
        #expect(good < 19_000)
    }

    @Test("The file holds the state from its beginning")
    func file() throws {
        var state = full()
        state.shared["large"] = [UInt8](repeating: 7, count: 300_000)
        let file = try UpgradeFile.make(state)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = chunk.withUnsafeMutableBytes { Libc.read(file.number, $0) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        #expect(try UpgradeState(decoding: bytes) == state)
    }
}
