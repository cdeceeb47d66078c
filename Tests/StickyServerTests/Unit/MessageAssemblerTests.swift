import Testing

@testable import StickyServer

@Suite("Messages in fragments")
struct MessageAssemblerTests {
    private static let room = Frame.maximumPayload - MessageFragment.fixedLength
    /// Lengths of messages and how many frames they take.
    private static let lengths: [(Int, Int)] = [
        (0, 1), (1, 1), (room - 1, 1), (room, 1), (room + 1, 2), (2 * room, 2), (2 * room + 1, 3), (1 << 20, 17),
    ]

    private func envelope(_ count: Int, party: UInt16 = 3, request: UInt32 = 77) -> Envelope {
        Envelope(
            kind: .request,
            request: request,
            party: party,
            payload: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        )
    }

    private func fragments(_ envelope: Envelope) throws -> [[UInt8]] {
        try MessageFragment.frames(.messageToMaster, envelope).map { frame in
            #expect(frame.count <= Frame.maximumLength)
            let parsed = try ParsedFrame(frame)
            #expect(parsed.kind == .messageToMaster)
            return parsed.payload
        }
    }

    private func add(_ payload: [UInt8], to assembler: inout MessageAssembler) throws(FrameError) -> Envelope? {
        let result: Result<Envelope?, FrameError> = payload.withUnsafeBytes { buffer in
            do throws(FrameError) {
                return .success(try assembler.add(FrameReader(buffer)))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func error(_ payload: [UInt8], _ assembler: inout MessageAssembler) -> FrameError? {
        do throws(FrameError) {
            _ = try add(payload, to: &assembler)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "A message of any length arrives whole, in as few frames as hold it",
        arguments: lengths
    )
    func roundTrip(_ count: Int, _ frames: Int) throws {
        let envelope = envelope(count)
        let fragments = try fragments(envelope)
        #expect(fragments.count == frames)
        var assembler = MessageAssembler(limit: 1 << 20)
        for (index, fragment) in fragments.enumerated() {
            let isLast = index == fragments.count - 1
            let message = try add(fragment, to: &assembler)
            #expect((message == envelope) == isLast)
            #expect((message == nil) == !isLast)
            #expect(assembler.isOpen == !isLast)
        }
    }

    @Test("Messages follow each other")
    func sequence() throws {
        var assembler = MessageAssembler(limit: 1 << 20)
        for count in [0, 70_000, 1, 200_000, 0] {
            var last: Envelope?
            for fragment in try fragments(envelope(count)) { last = try add(fragment, to: &assembler) }
            #expect(last == envelope(count))
        }
    }

    @Test("A message beyond the limit is refused at its first fragment")
    func limit() throws {
        var assembler = MessageAssembler(limit: 100)
        #expect(error(try fragments(envelope(101))[0], &assembler) == .outOfRange)
        #expect(try add(try fragments(envelope(100))[0], to: &assembler) == envelope(100))
    }

    @Test("A fragment that continues nothing is refused")
    func continuation() throws {
        var assembler = MessageAssembler(limit: 1 << 20)
        #expect(error(try fragments(envelope(70_000))[1], &assembler) == .outOfRange)
    }

    @Test("A message that begins inside another is refused")
    func interleaved() throws {
        var assembler = MessageAssembler(limit: 1 << 20)
        let long = try fragments(envelope(70_000))
        #expect(try add(long[0], to: &assembler) == nil)
        #expect(error(try fragments(envelope(5, request: 78))[0], &assembler) == .outOfRange)
    }

    @Test("A fragment of another message is refused, whatever differs")
    func foreign() throws {
        let own = try fragments(envelope(70_000))
        // Kind, party, request and total length, as they stand before the bytes.
        for (offset, value) in [(0, UInt8(0)), (2, 9), (4, 1), (8, 0)] {
            var assembler = MessageAssembler(limit: 1 << 20)
            #expect(try add(own[0], to: &assembler) == nil)
            var foreign = own[1]
            foreign[offset] = value
            #expect(error(foreign, &assembler) == .outOfRange, "offset \(offset)")
        }
    }

    @Test("Fragments with more bytes than the message are refused")
    func overlong() throws {
        var assembler = MessageAssembler(limit: 1 << 20)
        #expect(error(try fragments(envelope(10))[0] + [0], &assembler) == .trailingBytes)
        let long = try fragments(envelope(70_000))
        #expect(try add(long[0], to: &assembler) == nil)
        #expect(error(long[1] + [0], &assembler) == .trailingBytes)
    }

    @Test("Every fragment shorter than its header is truncated, and an unknown kind is refused")
    func damaged() throws {
        var fragment = try fragments(envelope(1))[0]
        for length in 0..<MessageFragment.fixedLength {
            var assembler = MessageAssembler(limit: 100)
            #expect(error(Array(fragment[..<length]), &assembler) == .truncated)
        }
        fragment[0] = 6
        var assembler = MessageAssembler(limit: 100)
        #expect(error(fragment, &assembler) == .unknownKind(6))
    }
}

@Suite("Named bytes")
struct NamedBytesTests {
    @Test("A name and bytes come back", arguments: ["", "keys", "Schlüssel", String(repeating: "x", count: 65_535)])
    func roundTrip(_ name: String) throws {
        for bytes in [[], [0], [UInt8](0...255)] {
            let decoded = try #require(NamedBytes.decode(NamedBytes.encode(name, bytes)))
            #expect(decoded.name == name)
            #expect(decoded.bytes == bytes)
        }
    }

    @Test("A name that is too long is cut, and the bytes are whole")
    func longName() throws {
        let encoded = NamedBytes.encode(String(repeating: "x", count: 70_000), [1, 2])
        let decoded = try #require(NamedBytes.decode(encoded))
        #expect(decoded.name.utf8.count == 65_535)
        #expect(decoded.bytes == [1, 2])
    }

    @Test("What ends before its name does is none")
    func truncated() {
        let encoded = NamedBytes.encode("keys", [])
        for length in 0..<encoded.count { #expect(NamedBytes.decode(Array(encoded[..<length])) == nil) }
        #expect(NamedBytes.decode([255, 255]) == nil)
    }

    @Test("A name that is not UTF-8 is repaired")
    func notText() {
        #expect(NamedBytes.decode([1, 0, 255, 7])?.name == "\u{fffd}")
    }
}

@Suite("Outbound queue")
struct OutboundQueueTests {
    @Test("Frames leave in order")
    func order() {
        var queue = OutboundQueue(limit: 100)
        for number: UInt8 in 0..<5 { queue.append([number]) }
        var sent: [[UInt8]] = []
        let outcome = queue.flush {
            sent.append($0)
            return .done
        }
        #expect(outcome == .done)
        #expect(sent == [[0], [1], [2], [3], [4]])
        #expect(queue.isEmpty)
        #expect(queue.pending.isEmpty)
    }

    @Test("What the socket does not take waits", arguments: [ControlSocket.Outcome.full, .busy, .lost(errno: 32)])
    func waits(_ refusal: ControlSocket.Outcome) {
        var queue = OutboundQueue(limit: 100)
        for number: UInt8 in 0..<5 { queue.append([number]) }
        var sent: [[UInt8]] = []
        for expected: UInt8 in 0..<5 {
            let before = sent.count
            let outcome = queue.flush {
                guard sent.count == before else { return refusal }
                sent.append($0)
                return .done
            }
            #expect(outcome == (expected == 4 ? .done : refusal))
            #expect(sent.last == [expected])
            #expect(queue.pending == (expected + 1..<5).map { [$0] })
        }
        #expect(queue.isEmpty)
    }

    @Test("Room is counted in bytes, and comes back with what was sent")
    func room() {
        var queue = OutboundQueue(limit: 10)
        #expect(queue.hasRoom(for: 10))
        #expect(!queue.hasRoom(for: 11))
        queue.append([1, 2, 3, 4])
        queue.append([5, 6])
        #expect(queue.hasRoom(for: 4))
        #expect(!queue.hasRoom(for: 5))
        var calls = 0
        _ = queue.flush { _ in
            calls += 1
            return calls == 1 ? .done : .full
        }
        #expect(queue.hasRoom(for: 8))
        #expect(!queue.hasRoom(for: 9))
        _ = queue.flush { _ in .done }
        #expect(queue.hasRoom(for: 10))
    }

    @Test("A queue that is never empty agrees with a model through a long random script")
    func model() {
        var random = SeededGenerator(seed: 3)
        var queue = OutboundQueue(limit: 1000)
        var model: [[UInt8]] = []
        for round in 0..<20_000 {
            let frame = random.bytes(Int.random(in: 0..<20, using: &random))
            let count = model.reduce(0) { $0 + $1.count }
            #expect(queue.hasRoom(for: frame.count) == (count + frame.count <= 1000))
            if count + frame.count <= 1000 {
                queue.append(frame)
                model.append(frame)
            }
            if round % 3 == 0 {
                var left = Int.random(in: 0..<8, using: &random)
                let outcome = queue.flush { frame in
                    guard left > 0 else { return .full }
                    left -= 1
                    #expect(frame == model.removeFirst())
                    return .done
                }
                #expect(outcome == (model.isEmpty ? .done : .full))
            }
        }
        #expect(queue.pending == model)
        #expect(queue.isEmpty == model.isEmpty)
    }

    @Test("A queue that is never empty keeps nothing of what has left")
    func memory() {
        var queue = OutboundQueue(limit: 100)
        queue.append([0])
        for _ in 0..<100_000 {
            queue.append([1])
            var left = 1
            _ = queue.flush { _ in
                defer { left -= 1 }
                return left > 0 ? .done : .full
            }
        }
        #expect(queue.pending == [[1]])
        #expect(queue.keptFrames < 1000)
    }
}
