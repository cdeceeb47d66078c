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
        fragment[0] = 8
        var assembler = MessageAssembler(limit: 100)
        #expect(error(fragment, &assembler) == .unknownKind(8))
    }
}
