#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights after Schindelhauer and Schomaker 2005): every
/// slot has a score for every client, and the client belongs to the slot with the highest.
///
/// Taking a slot away moves only its own clients; adding one moves only those that it wins; the order of the scores is
/// the order of second choices. Scores depend on slot numbers alone and never on processes.
struct Rendezvous: Sendable {
    private let weights: [Double]
    private let isWeighted: Bool

    init(slots: Int, weights: [Double] = []) {
        self.weights = (0..<slots).map { $0 < weights.count ? weights[$0] : 1 }
        isWeighted = Set(self.weights).count > 1
    }

    var slots: Int { weights.count }

    /// The slot with the highest score among those for which `available` holds; nil when there is none.
    func choice(for hash: UInt64, where available: (Int) -> Bool = { _ in true }) -> Int? {
        var best: Int?
        var bestScore = -Double.infinity
        var bestBits: UInt64 = 0
        for slot in weights.indices where available(slot) {
            let bits = Rendezvous.mix(hash, slot)
            if isWeighted {
                let score = Rendezvous.score(bits, weight: weights[slot])
                if best == nil || score > bestScore {
                    best = slot
                    bestScore = score
                }
            } else if best == nil || bits > bestBits {
                best = slot
                bestBits = bits
            }
        }
        return best
    }

    /// All slots, best first.
    func order(for hash: UInt64) -> [Int] {
        let scored = weights.indices.map { slot in
            let bits = Rendezvous.mix(hash, slot)
            return (slot: slot, bits: bits, score: isWeighted ? Rendezvous.score(bits, weight: weights[slot]) : 0)
        }
        return scored.sorted { isWeighted ? $0.score > $1.score : $0.bits > $1.bits }.map(\.slot)
    }

    /// −w / ln u with u uniform in (0, 1): the highest of these falls on a slot with probability w / Σw.
    private static func score(_ bits: UInt64, weight: Double) -> Double {
        let uniform = (Double(bits >> 11) + 0.5) * 0x1p-53
        return -weight / log(uniform)
    }

    /// The finalizer of SplitMix64 (Steele, Lea and Flood 2014) over the client's hash and the slot's number.
    private static func mix(_ hash: UInt64, _ slot: Int) -> UInt64 {
        var bits = hash ^ (UInt64(truncatingIfNeeded: slot) &+ 1) &* 0x9e37_79b9_7f4a_7c15
        bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
        return bits ^ bits >> 31
    }
}
