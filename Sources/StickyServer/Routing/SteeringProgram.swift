internal import CStickyServer

/// The program that chooses a slot in the kernel: classic BPF (Linux, Documentation/networking/filter.rst), run for each
/// new connection with the packet at hand. It computes for a packet what ``Router`` computes for its source.
struct SteeringProgram {
    /// The kernel takes no longer programs (BPF_MAXINSNS).
    static let mostInstructions = 4096

    private(set) var instructions: [sticky_bpf_instruction] = []
    private let hash: SteeringHash

    // Scratch memory.
    private enum Cell {
        static let v0: UInt32 = 0
        static let v1: UInt32 = 1
        static let v2: UInt32 = 2
        static let v3: UInt32 = 3
        static let spare: UInt32 = 4
        static let hash: UInt32 = 5
        static let best: UInt32 = 6
        static let slot: UInt32 = 7
        /// Four of them: the words of the client's key.
        static let words: UInt32 = 8
    }

    // Operations, from linux/bpf_common.h and linux/filter.h.
    private enum Code {
        static let loadWord: UInt16 = 0x20
        static let loadByte: UInt16 = 0x30
        static let loadConstant: UInt16 = 0x00
        static let loadCell: UInt16 = 0x60
        static let loadCellX: UInt16 = 0x61
        static let store: UInt16 = 0x02
        static let toX: UInt16 = 0x07
        static let addX: UInt16 = 0x0c
        static let orX: UInt16 = 0x4c
        static let xorX: UInt16 = 0xac
        static let xor: UInt16 = 0xa4
        static let and: UInt16 = 0x54
        static let multiply: UInt16 = 0x24
        static let shiftLeft: UInt16 = 0x64
        static let shiftRight: UInt16 = 0x74
        static let jump: UInt16 = 0x05
        static let jumpIfEqual: UInt16 = 0x15
        static let jumpIfGreaterX: UInt16 = 0x2d
        static let returnA: UInt16 = 0x16
    }

    /// Where the network header begins (SKF_NET_OFF).
    private static let network = UInt32(bitPattern: -0x100000)

    /// Chooses among `slots`, which are places in the group of listeners.
    init(_ hash: SteeringHash, ipv6PrefixLength: Int, slots: [Int]) {
        self.hash = hash
        add(Code.loadByte, Self.network)
        add(Code.shiftRight, 4)
        let isIPv6 = branch(Code.jumpIfEqual, 6)
        add(Code.loadWord, Self.network + 12)
        add(Code.store, Cell.words)
        let toIPv4 = jump()

        land(isIPv6)
        for word in 0..<4 as Range<UInt32> {
            add(Code.loadWord, Self.network + 8 + 4 * word)
            add(Code.store, Cell.words + word)
        }
        let embedded = addNAT64()
        addPrefix(ipv6PrefixLength)
        addHash(words: 4)
        let toChoice = jump()

        land(toIPv4)
        land(embedded)
        addHash(words: 1)
        land(toChoice)
        addChoice(slots)
    }

    // MARK: - The client's key

    /// 64:ff9b::/96 carries an IPv4 address (RFC 6052). Returns the jump that is taken with it.
    private mutating func addNAT64() -> Int {
        var others: [Int] = []
        for (word, expected) in [(0, 0x0064_ff9b), (1, 0), (2, 0)] as [(UInt32, UInt32)] {
            add(Code.loadCell, Cell.words + word)
            let isEqual = branch(Code.jumpIfEqual, expected)
            others.append(jump())
            land(isEqual)
        }
        add(Code.loadCell, Cell.words + 3)
        add(Code.store, Cell.words)
        let toIPv4 = jump()
        for other in others { land(other) }
        return toIPv4
    }

    /// Of 2000::/3 only the prefix counts.
    private mutating func addPrefix(_ length: Int) {
        add(Code.loadCell, Cell.words)
        add(Code.shiftRight, 29)
        let isGlobal = branch(Code.jumpIfEqual, 1)
        let isOther = jump()
        land(isGlobal)
        for word in 0..<4 {
            let bits = min(max(length - 32 * word, 0), 32)
            let mask = bits == 0 ? 0 : UInt32.max << UInt32(32 - bits)
            add(Code.loadCell, Cell.words + UInt32(word))
            add(Code.and, mask)
            add(Code.store, Cell.words + UInt32(word))
        }
        land(isOther)
    }

    // MARK: - The hash

    private mutating func addHash(words: Int) {
        for (cell, value) in [
            (Cell.v0, hash.key.0), (Cell.v1, hash.key.1), (Cell.v2, hash.key.0 ^ SteeringHash.constants.0),
            (Cell.v3, hash.key.1 ^ SteeringHash.constants.1),
        ] {
            add(Code.loadConstant, value)
            add(Code.store, cell)
        }
        for word in 0..<UInt32(words) {
            addXor(Cell.v3, Cell.words + word)
            for _ in 0..<SteeringHash.compressionRounds { addRound() }
            addXor(Cell.v0, Cell.words + word)
        }
        let length = UInt32(words * 4) << 24
        addXor(Cell.v3, constant: length)
        for _ in 0..<SteeringHash.compressionRounds { addRound() }
        addXor(Cell.v0, constant: length)
        addXor(Cell.v2, constant: 0xff)
        for _ in 0..<SteeringHash.finalizationRounds { addRound() }
        add(Code.loadCell, Cell.v1)
        add(Code.loadCellX, Cell.v3)
        add(Code.xorX)
        add(Code.store, Cell.hash)
    }

    private mutating func addRound() {
        addSum(Cell.v0, Cell.v1)
        addRotation(Cell.v1, 5)
        addXor(Cell.v1, Cell.v0)
        addRotation(Cell.v0, 16)
        addSum(Cell.v2, Cell.v3)
        addRotation(Cell.v3, 8)
        addXor(Cell.v3, Cell.v2)
        addSum(Cell.v0, Cell.v3)
        addRotation(Cell.v3, 7)
        addXor(Cell.v3, Cell.v0)
        addSum(Cell.v2, Cell.v1)
        addRotation(Cell.v1, 13)
        addXor(Cell.v1, Cell.v2)
        addRotation(Cell.v2, 16)
    }

    private mutating func addSum(_ cell: UInt32, _ other: UInt32) { addPair(cell, other, Code.addX) }
    private mutating func addXor(_ cell: UInt32, _ other: UInt32) { addPair(cell, other, Code.xorX) }

    private mutating func addPair(_ cell: UInt32, _ other: UInt32, _ code: UInt16) {
        add(Code.loadCellX, other)
        add(Code.loadCell, cell)
        add(code)
        add(Code.store, cell)
    }

    private mutating func addXor(_ cell: UInt32, constant: UInt32) {
        add(Code.loadCell, cell)
        add(Code.xor, constant)
        add(Code.store, cell)
    }

    private mutating func addRotation(_ cell: UInt32, _ count: UInt32) {
        add(Code.loadCell, cell)
        add(Code.shiftLeft, count)
        add(Code.store, Cell.spare)
        add(Code.loadCell, cell)
        add(Code.shiftRight, 32 - count)
        add(Code.loadCellX, Cell.spare)
        add(Code.orX)
        add(Code.store, cell)
    }

    // MARK: - The choice

    private mutating func addChoice(_ slots: [Int]) {
        for (index, slot) in slots.enumerated() {
            add(Code.loadCell, Cell.hash)
            add(Code.xor, SteeringHash.seed(of: slot))
            addMixing(shift: 16)
            add(Code.multiply, SteeringHash.multipliers.0)
            addMixing(shift: 15)
            add(Code.multiply, SteeringHash.multipliers.1)
            addMixing(shift: 16)
            // Not higher than the best so far: over the three that note it.
            if index > 0 {
                add(Code.loadCellX, Cell.best)
                add(Code.jumpIfGreaterX, 0, ifFalse: 3)
            }
            add(Code.store, Cell.best)
            add(Code.loadConstant, UInt32(truncatingIfNeeded: slot))
            add(Code.store, Cell.slot)
        }
        add(Code.loadCell, Cell.slot)
        add(Code.returnA)
    }

    private mutating func addMixing(shift: UInt32) {
        add(Code.toX)
        add(Code.shiftRight, shift)
        add(Code.xorX)
    }

    // MARK: - Instructions

    private mutating func add(_ code: UInt16, _ operand: UInt32 = 0, ifTrue: UInt8 = 0, ifFalse: UInt8 = 0) {
        instructions.append(sticky_bpf_instruction(code: code, jt: ifTrue, jf: ifFalse, k: operand))
    }

    /// A jump that ``land(_:)`` aims. Conditional ones reach only 255 instructions, so they jump to one that reaches all.
    private mutating func jump() -> Int {
        add(Code.jump)
        return instructions.count - 1
    }

    /// A jump that is taken when the condition holds.
    private mutating func branch(_ code: UInt16, _ operand: UInt32) -> Int {
        add(code, operand, ifFalse: 1)
        return jump()
    }

    private mutating func land(_ jump: Int) {
        instructions[jump].k = UInt32(instructions.count - jump - 1)
    }
}
