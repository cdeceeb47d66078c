import Testing

@testable import StickyServer

/// Frames that nobody vouches for, through everything that reads them. A trap would end the test process.
@Suite("Frames at random")
struct FrameFuzzTests {
    /// Frames as the two ends really send them.
    private static let seeds: [[UInt8]] = {
        var connections = FrameWriter()
        Frame.begin(.connections, count: 2, in: &connections)
        for path in ["", "/run/app.sock"] {
            ConnectionEntry(
                peer: .ipv6(high: 1, low: 2, port: 3, scope: 4),
                local: .unix(path: path),
                listener: 1,
                reason: .address,
                hops: 0,
                prelude: [1, 2, 3]
            ).write(to: &connections)
        }
        Frame.finish(&connections)
        var rehome = FrameWriter()
        Frame.begin(.rehome, in: &rehome)
        rehome.append(UInt16(3))
        ConnectionEntry(
            peer: .ipv4(1, port: 2),
            local: .ipv4(3, port: 4),
            listener: 0,
            reason: .address,
            hops: 0,
            prelude: []
        ).write(to: &rehome)
        Frame.finish(&rehome)
        let shared = Envelope(kind: .shared, party: Envelope.everyone, payload: NamedBytes.encode("keys", [1, 2]))
        let request = Envelope(kind: .request, request: 9, party: 1, payload: [5])
        return [
            connections.bytes, rehome.bytes, Frame.crashNotice(), Frame.number(.drain, 30_000), Frame.plain(.ready),
        ]
            + MessageFragment.frames(.messageToWorker, shared) + MessageFragment.frames(.messageToMaster, request)
    }()

    /// What both ends do with a frame; true when it was good.
    private func read(_ bytes: [UInt8], _ assembler: inout MessageAssembler) -> Bool {
        let error = bytes.withUnsafeBytes { buffer -> FrameError? in
            frameError { () throws(FrameError) in
                var (header, payload) = try Frame.parse(buffer)
                switch header.kind {
                case .connections:
                    for _ in 0..<header.count { _ = try ConnectionEntry(from: &payload) }
                case .rehome:
                    _ = try payload.read(UInt16.self)
                    _ = try ConnectionEntry(from: &payload)
                case .messageToWorker, .messageToMaster:
                    let message = try assembler.add(payload)
                    _ = message.flatMap { NamedBytes.decode($0.payload) }
                case .drain, .ping, .pong:
                    _ = try payload.read(UInt32.self)
                case .crashed:
                    _ = try payload.read(UInt8.self)
                default:
                    break
                }
            }
        }
        return error == nil
    }

    @Test("100,000 damaged and random frames are read or refused, and never trap")
    func frames() {
        var random = SeededGenerator(seed: 1)
        var assembler = MessageAssembler(limit: 1 << 16)
        var good = 0
        for round in 0..<100_000 {
            var bytes: [UInt8]
            if round % 4 == 0 {
                bytes = random.bytes(Int.random(in: 0..<64, using: &random))
                // Most get past the header, so that what is behind it is reached.
                if bytes.count >= 8, Bool.random(using: &random) {
                    bytes.replaceSubrange(1..<8, with: [1, 3, 0, UInt8(bytes.count - 8), 0, 0, 0])
                }
            } else {
                bytes = Self.seeds[round % Self.seeds.count]
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(
                        in: 0 ... .max,
                        using: &random
                    )
                }
                if Int.random(in: 0..<8, using: &random) == 0 {
                    bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
                }
            }
            if read(bytes, &assembler) { good += 1 } else { assembler = MessageAssembler(limit: 1 << 16) }
        }
        // Both kinds were there.
        #expect(good > 5000)
        #expect(good < 95_000)
    }

    @Test("Good frames are good")
    func seeds() {
        var assembler = MessageAssembler(limit: 1 << 16)
        for seed in Self.seeds { #expect(read(seed, &assembler)) }
    }
}
