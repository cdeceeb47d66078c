/// The frames of the control socket between the master and one worker.
///
/// A frame is one message of a SOCK_SEQPACKET socket: an 8-byte header (kind, version, two bytes of count, four of
/// payload length, little-endian) and a payload of at most ``Frame/maximumPayload`` bytes. Descriptors ride on the
/// frame that names them.
enum Frame {
    static let version: UInt8 = 3
    static let headerLength = 8
    static let maximumLength = 64 << 10
    static let maximumPayload = maximumLength - headerLength

    enum Kind: UInt8 {
        // Master to worker.
        case connections = 1
        case messageToWorker = 2
        case drain = 3
        case ping = 4
        /// The worker has been told everything that it must know before it starts.
        case welcome = 5
        /// Brings the memory that receipts are counted in from now on.
        case tally = 6
        /// Brings the listeners of the worker's slot, with kernel steering: their indices, and as many descriptors.
        case listeners = 7
        // Worker to master.
        case ready = 16
        case receipt = 17
        case messageToMaster = 19
        case rehome = 20
        case pong = 21
        case crashed = 22
        case retire = 23
        case refuse = 24
        /// The tags of connections that have ended.
        case closed = 25
    }

    struct Header {
        let kind: Kind
        let count: Int
        let length: Int
    }

    /// Starts a frame in `writer`; ``finish(_:)`` fills in the length.
    static func begin(_ kind: Kind, count: Int = 0, in writer: inout FrameWriter) {
        writer.bytes.removeAll(keepingCapacity: true)
        writer.append(kind.rawValue)
        writer.append(version)
        writer.append(UInt16(clamping: count))
        writer.append(UInt32(0))
    }

    static func finish(_ writer: inout FrameWriter) {
        writer.replace(at: 4, with: UInt32(clamping: writer.bytes.count - headerLength))
    }

    /// A frame without payload.
    static func plain(_ kind: Kind, count: Int = 0) -> [UInt8] {
        var writer = FrameWriter()
        begin(kind, count: count, in: &writer)
        return writer.bytes
    }

    /// A frame whose payload is one number, such as the nonce of a ping.
    static func number(_ kind: Kind, count: Int = 0, _ number: UInt32) -> [UInt8] {
        var writer = FrameWriter()
        begin(kind, count: count, in: &writer)
        writer.append(number)
        finish(&writer)
        return writer.bytes
    }

    /// The order to drain. Its count is 1 when somebody else serves its clients, and has the backlog of its listeners with
    /// kernel steering; and 0 when the server stops.
    static func drain(_ order: DrainOrder, hasSuccessor: Bool) -> [UInt8] {
        var writer = FrameWriter()
        begin(.drain, count: hasSuccessor ? 1 : 0, in: &writer)
        order.write(to: &writer)
        finish(&writer)
        return writer.bytes
    }

    /// Which connections have ended: at most ``ConnectionTag/mostInFrame``.
    static func closed(_ tags: some Collection<ConnectionTag>) -> [UInt8] {
        var writer = FrameWriter()
        begin(.closed, count: tags.count, in: &writer)
        for tag in tags { writer.append(tag.number) }
        finish(&writer)
        return writer.bytes
    }

    /// The crash notice, whose last byte the signal handler sets to the signal's number.
    static func crashNotice() -> [UInt8] {
        var writer = FrameWriter()
        begin(.crashed, in: &writer)
        writer.append(UInt8(0))
        finish(&writer)
        return writer.bytes
    }

    /// Splits one message into its header and a reader of its payload.
    static func parse(_ bytes: UnsafeRawBufferPointer) throws(FrameError) -> (header: Header, payload: FrameReader) {
        var reader = FrameReader(bytes)
        let rawKind = try reader.read(UInt8.self)
        let version = try reader.read(UInt8.self)
        let count = Int(try reader.read(UInt16.self))
        let length = Int(try reader.read(UInt32.self))
        guard version == Frame.version else { throw .wrongVersion(version) }
        guard let kind = Kind(rawValue: rawKind) else { throw .unknownKind(rawKind) }
        guard reader.remaining >= length else { throw .truncated }
        guard reader.remaining == length else { throw .trailingBytes }
        return (Header(kind: kind, count: count, length: length), reader)
    }
}
