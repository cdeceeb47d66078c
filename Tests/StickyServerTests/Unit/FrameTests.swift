import Testing

@testable import StickyServer

@Suite("Frame")
struct FrameTests {
    private static let kinds: [Frame.Kind] = (0...255).compactMap { Frame.Kind(rawValue: UInt8($0)) }

    @Test("A plain frame is its header", arguments: kinds)
    func plain(_ kind: Frame.Kind) throws {
        let bytes = Frame.plain(kind, count: 0x0102)
        #expect(bytes == [kind.rawValue, 3, 2, 1, 0, 0, 0, 0])
        let frame = try ParsedFrame(bytes)
        #expect(frame.kind == kind)
        #expect(frame.count == 0x0102)
        #expect(frame.payload.isEmpty)
    }

    @Test("A number travels in four little-endian bytes")
    func number() throws {
        let bytes = Frame.number(.ping, count: 5, 0x0102_0304)
        #expect(bytes == [4, 3, 5, 0, 4, 0, 0, 0, 4, 3, 2, 1])
        let frame = try ParsedFrame(bytes)
        #expect(frame.length == 4)
        #expect(
            try withReader(frame.payload) { reader throws(FrameError) in try reader.read(UInt32.self) } == 0x0102_0304
        )
    }

    @Test("A count beyond 16 bits is the largest one")
    func clampedCount() throws {
        #expect(try ParsedFrame(Frame.plain(.receipt, count: 70_000)).count == 65_535)
        #expect(try ParsedFrame(Frame.plain(.receipt, count: -1)).count == 0)
    }

    @Test(
        "The order to drain holds milliseconds within its range",
        arguments: [
            (Duration.seconds(30), Duration.seconds(30)), (.milliseconds(1), .milliseconds(1)), (.zero, .zero),
            (.seconds(-5), .zero), (.seconds(Int64.max / 2), DrainOrder.forever), (nil, DrainOrder.forever),
            (.microseconds(1999), .milliseconds(1)),
        ]
    )
    func drain(_ time: Duration?, _ expected: Duration) throws {
        for (hasSuccessor, spread) in [(false, Duration.zero), (true, .seconds(7))] {
            let frame = try ParsedFrame(
                Frame.drain(DrainOrder(within: time, spread: spread), hasSuccessor: hasSuccessor)
            )
            #expect(frame.kind == .drain && frame.count == (hasSuccessor ? 1 : 0))
            let order = try withReader(frame.payload) { reader throws(FrameError) in try DrainOrder(from: &reader) }
            #expect(order.time == expected && order.spread == spread)
        }
    }

    @Test("The crash notice ends in the byte that the signal handler fills in")
    func crashNotice() throws {
        var bytes = Frame.crashNotice()
        bytes[bytes.count - 1] = 11
        let frame = try ParsedFrame(bytes)
        #expect(frame.kind == .crashed)
        #expect(frame.payload == [11])
    }

    @Test("Every shorter piece of a frame is truncated")
    func truncation() {
        let bytes = Frame.number(.pong, 7)
        for length in 0..<bytes.count {
            #expect(frameError { () throws(FrameError) in try ParsedFrame(Array(bytes[..<length])) } == .truncated)
        }
    }

    @Test("Bytes behind the payload are refused")
    func trailing() {
        let error = frameError { () throws(FrameError) in try ParsedFrame(Frame.number(.pong, 7) + [0]) }
        #expect(error == .trailingBytes)
    }

    @Test("A length beyond the message, up to the largest, is a truncation")
    func length() {
        var bytes = Frame.plain(.ready)
        bytes.replaceSubrange(4..<8, with: [255, 255, 255, 255])
        #expect(frameError { () throws(FrameError) in try ParsedFrame(bytes) } == .truncated)
    }

    @Test("Every kind but those known is refused", arguments: 0...255)
    func unknownKind(_ raw: Int) {
        var bytes = Frame.plain(.ready)
        bytes[0] = UInt8(raw)
        let error = frameError { () throws(FrameError) in try ParsedFrame(bytes) }
        #expect(error == (Frame.Kind(rawValue: UInt8(raw)) == nil ? .unknownKind(UInt8(raw)) : nil))
    }

    @Test("Another version is refused, whatever the kind", arguments: [0, 1, 2, 4, 255])
    func wrongVersion(_ version: UInt8) {
        var bytes = Frame.plain(.ready)
        bytes[0] = 99
        bytes[1] = version
        #expect(frameError { () throws(FrameError) in try ParsedFrame(bytes) } == .wrongVersion(version))
    }

    @Test("A reader gives no more than it has, and refuses negative counts")
    func reader() throws {
        try withReader([1, 2, 3]) { reader throws(FrameError) in
            #expect(frameError { () throws(FrameError) in try reader.read(UInt32.self) } == .truncated)
            #expect(frameError { () throws(FrameError) in try reader.read(count: 4) } == .truncated)
            #expect(frameError { () throws(FrameError) in try reader.read(count: -1) } == .truncated)
            #expect(reader.remaining == 3)
            #expect(try reader.read(UInt16.self) == 0x0201)
            #expect(try [UInt8](reader.read(count: 1)) == [3])
            #expect(try reader.read(count: 0).isEmpty)
            #expect(reader.remaining == 0)
        }
    }
}
