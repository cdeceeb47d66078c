/// A message between processes as it travels: who, what kind, and which request it belongs to.
struct Envelope: Sendable, Hashable {
    enum Kind: UInt8, Sendable {
        case plain = 0
        case request = 1
        case response = 2
        /// The receiver of a request is gone, or does not answer requests.
        case refusal = 3
        /// A topic and what was published on it.
        case publication = 4
        /// From the master: a name and the bytes that it shares under it.
        case shared = 5
        /// To the master: how many bytes a message has that shall wait for room. The answer is a response.
        case reserve = 6
        /// To the master: the message of a reservation will not come.
        case release = 7
    }

    var kind = Kind.plain
    /// The request's number, chosen by whoever asked. Of a message or a publication: the number of its reservation.
    var request: UInt32 = 0
    /// On the way to a worker the sender, on the way to the master the receiver: a slot, or one of the two below.
    var party: UInt16
    var payload: [UInt8]

    /// The master, as sender or receiver.
    static let master: UInt16 = 0xffff
    /// Every worker, as receiver.
    static let everyone: UInt16 = 0xfffe
}

/// Cuts messages into frames: kind, first or not, party, request and total length before each piece.
enum MessageFragment {
    static let fixedLength = 1 + 1 + 2 + 4 + 4

    static func frames(_ kind: Frame.Kind, _ envelope: Envelope) -> [[UInt8]] {
        let payload = envelope.payload
        let room = Frame.maximumPayload - fixedLength
        var frames: [[UInt8]] = []
        var offset = 0
        repeat {
            let end = min(payload.count, offset + room)
            var writer = FrameWriter()
            writer.bytes.reserveCapacity(Frame.headerLength + fixedLength + end - offset)
            Frame.begin(kind, in: &writer)
            writer.append(envelope.kind.rawValue)
            writer.append(UInt8(offset == 0 ? 1 : 0))
            writer.append(envelope.party)
            writer.append(envelope.request)
            writer.append(UInt32(clamping: payload.count))
            writer.bytes.append(contentsOf: payload[offset..<end])
            Frame.finish(&writer)
            frames.append(writer.bytes)
            offset = end
        } while offset < payload.count
        return frames
    }
}

/// Joins the fragments of one control socket, on which messages never interleave.
struct MessageAssembler {
    let limit: Int
    private var total = 0
    private var open: Envelope?

    init(limit: Int) {
        self.limit = limit
    }

    /// Whether a message has begun and not ended.
    var isOpen: Bool { open != nil }

    /// Takes one fragment; gives the message when it was the last. A fragment out of order or a message beyond the
    /// limit is an error: the sender checks both before it sends.
    mutating func add(_ payload: FrameReader) throws(FrameError) -> Envelope? {
        var reader = payload
        let rawKind = try reader.read(UInt8.self)
        let isFirst = try reader.read(UInt8.self) & 1 == 1
        let party = try reader.read(UInt16.self)
        let request = try reader.read(UInt32.self)
        let total = Int(try reader.read(UInt32.self))
        guard let kind = Envelope.Kind(rawValue: rawKind) else { throw .unknownKind(rawKind) }
        guard total <= limit, isFirst == (open == nil), isFirst || total == self.total else { throw .outOfRange }
        var envelope = open ?? Envelope(kind: kind, request: request, party: party, payload: [])
        guard envelope.kind == kind, envelope.party == party, envelope.request == request else { throw .outOfRange }
        guard envelope.payload.count + reader.remaining <= total else { throw .trailingBytes }
        // So that joining the pieces does not copy the ones before.
        open = nil
        envelope.payload.append(contentsOf: try reader.read(count: reader.remaining))
        self.total = total
        if envelope.payload.count == total { return envelope }
        open = envelope
        return nil
    }
}
