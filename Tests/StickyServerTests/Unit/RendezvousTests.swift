import Testing

@testable import StickyServer

@Suite("Rendezvous hashing")
struct RendezvousTests {
    /// A fixed key, so that every run sees the same numbers.
    private static let hasher = SipHash(k0: 0x0706_0504_0302_0100, k1: 0x0f0e_0d0c_0b0a_0908)

    /// The hashes of consecutive IPv4 addresses from 10.0.0.0.
    private func hashes(_ count: Int) -> [UInt64] {
        (0..<count).map { Self.hasher.hash(0x0a00_0000 + UInt64($0)) }
    }

    private func counts(_ hashes: [UInt64], _ rendezvous: Rendezvous) throws -> [Int] {
        var counts = [Int](repeating: 0, count: rendezvous.slots)
        for hash in hashes { counts[try #require(rendezvous.choice(for: hash))] += 1 }
        return counts
    }

    private func chiSquare(_ counts: [Int], shares: [Double]) -> Double {
        let total = Double(counts.reduce(0, +))
        let sum = shares.reduce(0, +)
        return zip(counts, shares).reduce(0) { result, pair in
            let expected = total * pair.1 / sum
            let difference = Double(pair.0) - expected
            return result + difference * difference / expected
        }
    }

    // The bounds are the 0.1 % points of the chi-square distribution with slots - 1 degrees of freedom.
    @Test(
        "Clients spread evenly",
        arguments: [(2, 10.83), (3, 13.82), (4, 16.27), (8, 24.32), (16, 37.70), (64, 103.4)]
    )
    func balance(_ slots: Int, _ bound: Double) throws {
        let counts = try counts(hashes(100_000), Rendezvous(slots: slots))
        #expect(chiSquare(counts, shares: [Double](repeating: 1, count: slots)) < bound)
    }

    @Test("The 250 neighbours of one subnet spread too", arguments: [(2, 10.83), (4, 16.27), (8, 24.32)])
    func neighbours(_ slots: Int, _ bound: Double) throws {
        let counts = try counts(hashes(250), Rendezvous(slots: slots))
        #expect(chiSquare(counts, shares: [Double](repeating: 1, count: slots)) < bound)
    }

    @Test("A slot that cannot be reached loses its own clients and moves nobody else's", arguments: 0..<5)
    func removal(_ gone: Int) {
        let rendezvous = Rendezvous(slots: 5)
        for hash in hashes(5000) {
            let before = rendezvous.choice(for: hash)
            let after = rendezvous.choice(for: hash) { $0 != gone }
            #expect(after != gone)
            if before != gone { #expect(after == before) }
        }
    }

    @Test("The clients of a slot that is gone spread over all the others")
    func removalSpreads() throws {
        let rendezvous = Rendezvous(slots: 5)
        let orphans = hashes(20_000).filter { rendezvous.choice(for: $0) == 2 }
        var counts = [0, 0, 0, 0, 0]
        for hash in orphans { counts[try #require(rendezvous.choice(for: hash) { $0 != 2 })] += 1 }
        counts.remove(at: 2)
        #expect(chiSquare(counts, shares: [1, 1, 1, 1]) < 16.27)
    }

    @Test("A new slot takes its share, and clients move to no other slot", arguments: [1, 2, 7])
    func addition(_ slots: Int) {
        let (small, large) = (Rendezvous(slots: slots), Rendezvous(slots: slots + 1))
        let hashes = hashes(20_000)
        var moved = 0
        for hash in hashes where large.choice(for: hash) != small.choice(for: hash) {
            #expect(large.choice(for: hash) == slots)
            moved += 1
        }
        let share = Double(moved) / Double(hashes.count)
        #expect(abs(share - 1 / Double(slots + 1)) < 0.02)
    }

    @Test("Weights are the slots' shares, and a slot without one has 1")
    func weights() throws {
        let shares = [1, 2, 0.5, 1]
        let counts = try counts(hashes(100_000), Rendezvous(slots: 4, weights: [1, 2, 0.5]))
        #expect(chiSquare(counts, shares: shares) < 16.27)
    }

    @Test("Equal weights are as good as none")
    func equalWeights() {
        let (plain, weighted) = (Rendezvous(slots: 4), Rendezvous(slots: 4, weights: [3, 3, 3, 3, 9]))
        for hash in hashes(1000) { #expect(plain.choice(for: hash) == weighted.choice(for: hash)) }
    }

    @Test("A higher weight moves clients only to its slot")
    func heavier() {
        let (before, after) = (Rendezvous(slots: 3, weights: [1, 1, 2]), Rendezvous(slots: 3, weights: [1, 1, 3]))
        for hash in hashes(5000) where before.choice(for: hash) != after.choice(for: hash) {
            #expect(after.choice(for: hash) == 2)
        }
    }

    @Test(
        "The order of second choices is what the choice gives when the better ones are gone",
        arguments: [[], [2, 1, 4]]
    )
    func order(_ weights: [Double]) {
        let rendezvous = Rendezvous(slots: 6, weights: weights)
        for hash in hashes(500) {
            let order = rendezvous.order(for: hash)
            #expect(order.sorted() == [0, 1, 2, 3, 4, 5])
            var gone: Set<Int> = []
            for slot in order {
                #expect(rendezvous.choice(for: hash) { !gone.contains($0) } == slot)
                gone.insert(slot)
            }
        }
    }

    @Test("Without a slot there is no choice")
    func none() {
        #expect(Rendezvous(slots: 0).choice(for: 1) == nil)
        #expect(Rendezvous(slots: 3).choice(for: 1) { _ in false } == nil)
        #expect(Rendezvous(slots: 0).order(for: 1).isEmpty)
    }
}
