/// One piece of a message between processes. A message that exceeds a frame travels in several, one after another.
struct MessageFragment {
    /// A slot, or one of the two below.
    let party: UInt16
    let total: Int
    let isFirst: Bool

    /// The master, as sender or receiver.
    static let master: UInt16 = 0xffff
    /// Every worker, as receiver.
    static let everyone: UInt16 = 0xfffe

    private static let fixedLength = 2 + 1 + 1 + 4

    /// Cuts a message into frames. For a frame to a worker `party` is the sender, else the receiver.
    static func frames(_ kind: Frame.Kind, party: UInt16, payload: [UInt8]) -> [[UInt8]] {
        let room = Frame.maximumPayload - fixedLength
        var frames: [[UInt8]] = []
        var offset = 0
        repeat {
            let end = min(payload.count, offset + room)
            var writer = FrameWriter()
            writer.bytes.reserveCapacity(Frame.headerLength + fixedLength + end - offset)
            Frame.begin(kind, in: &writer)
            writer.append(party)
            writer.append(UInt8(offset == 0 ? 1 : 0))
            writer.append(UInt8(0))
            writer.append(UInt32(clamping: payload.count))
            writer.bytes.append(contentsOf: payload[offset..<end])
            Frame.finish(&writer)
            frames.append(writer.bytes)
            offset = end
        } while offset < payload.count
        return frames
    }

    init(from reader: inout FrameReader) throws(FrameError) {
        party = try reader.read(UInt16.self)
        isFirst = try reader.read(UInt8.self) & 1 == 1
        _ = try reader.read(UInt8.self)
        total = Int(try reader.read(UInt32.self))
    }
}

/// Joins the fragments of one control socket, on which messages never interleave.
struct MessageAssembler {
    let limit: Int
    private var party: UInt16 = 0
    private var total = 0
    private var bytes: [UInt8] = []
    /// Whether a message has begun and not ended.
    private(set) var isOpen = false

    init(limit: Int) {
        self.limit = limit
    }

    /// Takes one fragment; gives the message when it was the last. A fragment out of order or a message beyond the
    /// limit is an error: the sender checks both before it sends.
    mutating func add(_ payload: FrameReader) throws(FrameError) -> (party: UInt16, payload: [UInt8])? {
        var reader = payload
        let fragment = try MessageFragment(from: &reader)
        guard fragment.total <= limit, fragment.isFirst != isOpen else { throw .outOfRange }
        if fragment.isFirst {
            (party, total, isOpen) = (fragment.party, fragment.total, true)
            bytes = []
        } else if fragment.party != party || fragment.total != total {
            throw .outOfRange
        }
        guard bytes.count + reader.remaining <= total else { throw .trailingBytes }
        bytes.append(contentsOf: try reader.read(count: reader.remaining))
        guard bytes.count == total else { return nil }
        isOpen = false
        defer { bytes = [] }
        return (party, bytes)
    }
}
