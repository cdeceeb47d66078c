import CStickyServer
import Testing

@testable import StickyServer

@Suite("Steering in the kernel")
struct SteeringTests {
    private let key: [UInt8] = Array(0..<16)

    private func router(slots: Int, prefix: Int = 64) -> Router {
        var routing = RoutingConfiguration()
        routing.key = key
        routing.ipv6PrefixLength = prefix
        return Router(routing, slots: slots, steering: .kernel)
    }

    /// The network header of a packet from this address, as far as a program looks at it.
    private func packet(_ source: SocketAddress) -> [UInt8] {
        func bytes(_ word: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: word.bigEndian) { Array($0) } }
        switch source.storage {
        case .ipv4(let address, _): return [0x45] + [UInt8](repeating: 7, count: 11) + bytes(address) + [1, 2, 3, 4]
        case .ipv6(let high, let low, _, _):
            return [0x60] + [UInt8](repeating: 7, count: 7) + bytes(high) + bytes(low)
                + [UInt8](repeating: 1, count: 16)
        case .unix: return []
        }
    }

    @Test("The hash is HalfSipHash: its authors' values with 2 and 4 rounds")
    func vectors() {
        let hash = SteeringHash(key: key)
        #expect(hash.hash([], compressionRounds: 2, finalizationRounds: 4) == 0x5b9f_35a9)
        #expect(hash.hash([0x0302_0100], compressionRounds: 2, finalizationRounds: 4) == 0x8946_6e2a)
    }

    @Test("The program chooses for a packet what the router chooses for its source", arguments: [1, 2, 3, 7, 32, 128])
    func agreement(_ slots: Int) throws {
        for prefix in [1, 48, 64, 100, 128] {
            var router = router(slots: slots, prefix: prefix)
            let program = try #require(router.program(for: Array(0..<slots)))
            #expect(program.instructions.count <= SteeringProgram.mostInstructions)
            var seen = Set<Int>()
            for round in 0..<300 {
                let high: UInt64 =
                    switch round % 5 {
                    case 0: 0x2001_0db8_0000_0000 | .random(in: 0...0xffff_ffff)
                    case 1: 0xfe80_0000_0000_0000
                    case 2: 0x0064_ff9b_0000_0000
                    case 3: 0x0064_ff9b_0000_0001
                    default: .random(in: 0 ... .max)
                    }
                let low: UInt64 = round % 2 == 0 ? .random(in: 0...0xffff_ffff) : .random(in: 0 ... .max)
                let sources: [SocketAddress] = [
                    .ipv4(.random(in: 0 ... .max), port: 1), .ipv6(high: high, low: low, port: 2),
                ]
                for source in sources {
                    let route = router.route(source)
                    #expect(try BPFMachine.run(program, on: packet(source)) == route.home, "\(source) of \(slots)")
                    seen.insert(route.home)
                }
            }
            // 600 clients leave some of very many slots without one.
            #expect(seen.count == slots || slots > 32 && seen.count > 100, "every slot has clients")
        }
    }

    @Test("Without a slot its clients go where the router's second choice is, and nobody else moves")
    func without() throws {
        var router = router(slots: 5)
        let program = try #require(router.program(for: [0, 1, 3, 4]))
        for _ in 0..<500 {
            let source = SocketAddress.ipv4(.random(in: 0 ... .max), port: 1)
            let route = router.route(source)
            let found = try BPFMachine.run(program, on: packet(source))
            #expect(found == router.choice(for: route.hash) { $0 != 2 })
            if route.home != 2 { #expect(found == route.home) }
        }
    }

    @Test("The load is even, and a slot more takes only its share")
    func shares() {
        var four = router(slots: 4)
        var five = router(slots: 5)
        var counts = [Int](repeating: 0, count: 4)
        for number in 0..<4000 as Range<UInt32> {
            let source = SocketAddress.ipv4(0x0a00_0000 + number * 7, port: 1)
            let (before, after) = (four.route(source).home, five.route(source).home)
            counts[before] += 1
            #expect(after == before || after == 4)
        }
        // Chi-square with 3 degrees of freedom; 16.3 is exceeded by chance once in a thousand, and the key is fixed.
        let chi = counts.reduce(0.0) { $0 + Double(($1 - 1000) * ($1 - 1000)) / 1000 }
        #expect(chi < 16.3, "\(counts)")
    }

    @Test("What the kernel cannot do is refused by name")
    func validation() throws {
        func message(_ change: (inout Configuration) throws -> Void) rethrows -> String? {
            var configuration = Configuration()
            configuration.listeners = [ListenAddress(.ipv4(0, port: 80))]
            configuration.steering = .kernel
            try change(&configuration)
            do throws(StickyServerError) {
                try configuration.validate()
                return nil
            } catch {
                return error.message
            }
        }
        #expect(message { _ in } == nil)
        #expect(message { $0.listeners = [.unix(path: "/tmp/x")] }?.contains("no TCP address") == true)
        #expect(message { $0.listeners = [.inherited(name: "web")] }?.contains("no TCP address") == true)
        #expect(message { $0.connectionLimits.total = 5 }?.contains("connectionLimits") == true)
        #expect(message { $0.routing.weights = [1, 2] }?.contains("routing.weights") == true)
        #expect(message { $0.routing.weights = [1, 1] } == nil)
        #expect(message { $0.maxWorkers = 129 }?.contains("128 slots") == true)
    }
}

/// Classic BPF, as far as our programs use it, by the kernel's rules: only forward, only what was stored is loaded.
private enum BPFMachine {
    struct Fault: Error {
        let at: Int
    }

    static func run(_ program: SteeringProgram, on header: [UInt8]) throws -> Int {
        let instructions = program.instructions
        var (a, x): (UInt32, UInt32) = (0, 0)
        var memory = [UInt32?](repeating: nil, count: 16)
        var place = 0
        func load(_ offset: UInt32, _ count: Int) throws -> UInt32 {
            let start = Int(Int32(bitPattern: offset)) + 0x100000
            guard start >= 0, start + count <= header.count else { throw Fault(at: place) }
            return header[start..<start + count].reduce(0) { $0 << 8 | UInt32($1) }
        }
        while place < instructions.count {
            let instruction = instructions[place]
            let k = instruction.k
            place += 1
            switch instruction.code {
            case 0x20: a = try load(k, 4)
            case 0x30: a = try load(k, 1)
            case 0x00: a = k
            case 0x60, 0x61:
                guard k < 16, let value = memory[Int(k)] else { throw Fault(at: place) }
                if instruction.code == 0x60 { a = value } else { x = value }
            case 0x02: memory[Int(k)] = a
            case 0x07: x = a
            case 0x0c: a &+= x
            case 0x4c: a |= x
            case 0xac: a ^= x
            case 0xa4: a ^= k
            case 0x54: a &= k
            case 0x24: a &*= k
            case 0x64:
                guard k < 32 else { throw Fault(at: place) }
                a <<= k
            case 0x74:
                guard k < 32 else { throw Fault(at: place) }
                a >>= k
            case 0x05: place += Int(k)
            case 0x15: place += Int(a == k ? instruction.jt : instruction.jf)
            case 0x2d: place += Int(a > x ? instruction.jt : instruction.jf)
            case 0x16: return Int(a)
            default: throw Fault(at: place)
            }
        }
        throw Fault(at: place)
    }
}
