/// The hash and the scores that a program in the kernel computes too, which knows only words of 32 bits: HalfSipHash
/// (Aumasson) of the client's key, and rendezvous scores by a mixing function for each slot.
struct SteeringHash: Sendable {
    /// HalfSipHash's constants; the others are 0.
    static let constants: (UInt32, UInt32) = (0x6c79_6765, 0x7465_6462)
    static let compressionRounds = 1
    static let finalizationRounds = 3

    let key: (UInt32, UInt32)

    /// From the first 8 bytes of the routing key, little-endian.
    init(key: [UInt8]) {
        func word(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) } }
        self.key = (word(key.prefix(4)), word(key.dropFirst(4).prefix(4)))
    }

    /// What a client's key is hashed as: the IPv4 address, or the four words of an IPv6 address.
    static func words(_ key: ClientKey) -> [UInt32] {
        guard let second = key.second else { return [UInt32(truncatingIfNeeded: key.first)] }
        return [key.first >> 32, key.first, second >> 32, second].map { UInt32(truncatingIfNeeded: $0) }
    }

    func hash(
        _ words: [UInt32],
        compressionRounds: Int = Self.compressionRounds,
        finalizationRounds: Int = Self.finalizationRounds
    ) -> UInt32 {
        var v0 = key.0
        var v1 = key.1
        var v2 = key.0 ^ Self.constants.0
        var v3 = key.1 ^ Self.constants.1
        func round() {
            v0 &+= v1
            v1 = Self.rotate(v1, 5) ^ v0
            v0 = Self.rotate(v0, 16)
            v2 &+= v3
            v3 = Self.rotate(v3, 8) ^ v2
            v0 &+= v3
            v3 = Self.rotate(v3, 7) ^ v0
            v2 &+= v1
            v1 = Self.rotate(v1, 13) ^ v2
            v2 = Self.rotate(v2, 16)
        }
        for word in words + [UInt32(truncatingIfNeeded: words.count * 4) << 24] {
            v3 ^= word
            for _ in 0..<compressionRounds { round() }
            v0 ^= word
        }
        v2 ^= 0xff
        for _ in 0..<finalizationRounds { round() }
        return v1 ^ v3
    }

    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }

    /// What tells the slots' scores apart.
    static func seed(of slot: Int) -> UInt32 { (UInt32(truncatingIfNeeded: slot) &+ 1) &* 0x9e37_79b9 }

    /// The multipliers of the mixing function, Wellons' "lowbias32".
    static let multipliers: (UInt32, UInt32) = (0x7feb_352d, 0x846c_a68b)

    static func score(_ hash: UInt32, slot: Int) -> UInt32 {
        var bits = hash ^ seed(of: slot)
        bits = (bits ^ bits >> 16) &* multipliers.0
        bits = (bits ^ bits >> 15) &* multipliers.1
        return bits ^ bits >> 16
    }

    /// The slot with the highest score, the first of several.
    static func choice(_ hash: UInt32, among slots: some Sequence<Int>) -> Int? {
        var best: (slot: Int, score: UInt32)?
        for slot in slots {
            let score = score(hash, slot: slot)
            if let found = best, score <= found.score { continue }
            best = (slot, score)
        }
        return best?.slot
    }
}
