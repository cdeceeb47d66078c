/// SipHash (Aumasson and Bernstein, 2012): a keyed hash that an outsider cannot aim. With 1 compression and 3
/// finalization rounds it is the variant that hash tables use.
struct SipHash: Sendable {
    private let k0: UInt64
    private let k1: UInt64
    private let compressionRounds: Int
    private let finalizationRounds: Int

    init(k0: UInt64, k1: UInt64, compressionRounds: Int = 1, finalizationRounds: Int = 3) {
        self.k0 = k0
        self.k1 = k1
        self.compressionRounds = compressionRounds
        self.finalizationRounds = finalizationRounds
    }

    /// Takes the key as its 16 bytes, little-endian as in the paper.
    init?(key: [UInt8]) {
        guard key.count == 16 else { return nil }
        self.init(k0: SipHash.word(key[0..<8]), k1: SipHash.word(key[8..<16]))
    }

    func hash(_ bytes: some Collection<UInt8>) -> UInt64 {
        var state = State(k0, k1)
        var block: UInt64 = 0
        var filled: UInt64 = 0
        for byte in bytes {
            block |= UInt64(byte) << (8 * (filled & 7))
            filled &+= 1
            if filled & 7 == 0 {
                state.absorb(block, rounds: compressionRounds)
                block = 0
            }
        }
        state.absorb(block | filled << 56, rounds: compressionRounds)
        return state.finish(rounds: finalizationRounds)
    }

    /// The hash of the 8 bytes of one little-endian word, and of the 16 of two.
    func hash(_ first: UInt64, _ second: UInt64? = nil) -> UInt64 {
        var state = State(k0, k1)
        state.absorb(first, rounds: compressionRounds)
        if let second { state.absorb(second, rounds: compressionRounds) }
        state.absorb((second == nil ? 8 : 16) << 56, rounds: compressionRounds)
        return state.finish(rounds: finalizationRounds)
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private struct State {
        var v0, v1, v2, v3: UInt64

        init(_ k0: UInt64, _ k1: UInt64) {
            v0 = k0 ^ 0x736f_6d65_7073_6575
            v1 = k1 ^ 0x646f_7261_6e64_6f6d
            v2 = k0 ^ 0x6c79_6765_6e65_7261
            v3 = k1 ^ 0x7465_6462_7974_6573
        }

        mutating func absorb(_ word: UInt64, rounds: Int) {
            v3 ^= word
            for _ in 0..<rounds { round() }
            v0 ^= word
        }

        mutating func finish(rounds: Int) -> UInt64 {
            v2 ^= 0xff
            for _ in 0..<rounds { round() }
            return v0 ^ v1 ^ v2 ^ v3
        }

        private mutating func round() {
            v0 &+= v1
            v1 = v1 << 13 | v1 >> 51
            v1 ^= v0
            v0 = v0 << 32 | v0 >> 32
            v2 &+= v3
            v3 = v3 << 16 | v3 >> 48
            v3 ^= v2
            v0 &+= v3
            v3 = v3 << 21 | v3 >> 43
            v3 ^= v0
            v2 &+= v1
            v1 = v1 << 17 | v1 >> 47
            v1 ^= v2
            v2 = v2 << 32 | v2 >> 32
        }
    }
}
