/// What a hand-off frame says about one socket; the socket itself rides beside it.
struct ConnectionEntry: Sendable, Hashable {
    var peer: SocketAddress
    var local: SocketAddress
    var listener: Int
    var reason: RouteReason
    var hops: Int
    /// From the master: what the worker is to report when the connection has ended.
    var tag = ConnectionTag.none
    var prelude: [UInt8]

    /// So that an entry with its addresses always fits a frame.
    static let maximumPrelude = 60 << 10
    /// Entry without prelude and Unix paths.
    private static let fixedLength = 16 + 2 * 24
    /// sun_path holds 108 bytes at most (unix(7)).
    private static let maximumPath = 108

    /// An upper bound of what ``write(to:)`` appends.
    static func room(forPrelude count: Int) -> Int {
        fixedLength + 2 * maximumPath + count
    }

    init(_ socket: borrowing PausedSocket, tag: ConnectionTag = .none) {
        peer = socket.peer
        local = socket.local
        listener = socket.listener
        reason = socket.reason
        hops = socket.hops
        self.tag = tag
        prelude = socket.prelude
    }

    init(
        peer: SocketAddress,
        local: SocketAddress,
        listener: Int,
        reason: RouteReason,
        hops: Int,
        tag: ConnectionTag = .none,
        prelude: [UInt8]
    ) {
        self.peer = peer
        self.local = local
        self.listener = listener
        self.reason = reason
        self.hops = hops
        self.tag = tag
        self.prelude = prelude
    }

    func write(to writer: inout FrameWriter) {
        writer.append(UInt8(clamping: listener))
        writer.append(reason.code)
        writer.append(UInt8(clamping: hops))
        writer.append(UInt8(0))
        writer.append(UInt32(clamping: prelude.count))
        writer.append(tag.number)
        ConnectionEntry.write(peer, to: &writer)
        ConnectionEntry.write(local, to: &writer)
        writer.bytes.append(contentsOf: prelude)
    }

    init(from reader: inout FrameReader) throws(FrameError) {
        listener = Int(try reader.read(UInt8.self))
        reason = RouteReason(code: try reader.read(UInt8.self))
        hops = Int(try reader.read(UInt8.self))
        _ = try reader.read(UInt8.self)
        let preludeLength = Int(try reader.read(UInt32.self))
        guard preludeLength <= ConnectionEntry.maximumPrelude else { throw .outOfRange }
        tag = ConnectionTag(number: try reader.read(UInt64.self))
        peer = try ConnectionEntry.readAddress(&reader)
        local = try ConnectionEntry.readAddress(&reader)
        prelude = preludeLength == 0 ? [] : [UInt8](try reader.read(count: preludeLength))
    }

    /// 24 bytes: family, padding, port or path length, scope, address in host order; the path of a Unix socket follows.
    private static func write(_ address: SocketAddress, to writer: inout FrameWriter) {
        switch address.storage {
        case .ipv4(let address, let port):
            header(4, port, 0, &writer)
            writer.append(UInt64(address))
            writer.append(UInt64(0))
        case .ipv6(let high, let low, let port, let scope):
            header(6, port, scope, &writer)
            writer.append(high)
            writer.append(low)
        case .unix(let path):
            let bytes = path.utf8.prefix(maximumPath)
            header(1, UInt16(bytes.count), 0, &writer)
            writer.append(UInt64(0))
            writer.append(UInt64(0))
            writer.bytes.append(contentsOf: bytes)
        }
    }

    private static func header(_ family: UInt8, _ port: UInt16, _ scope: UInt32, _ writer: inout FrameWriter) {
        writer.append(family)
        writer.append(UInt8(0))
        writer.append(port)
        writer.append(scope)
    }

    private static func readAddress(_ reader: inout FrameReader) throws(FrameError) -> SocketAddress {
        let family = try reader.read(UInt8.self)
        _ = try reader.read(UInt8.self)
        let port = try reader.read(UInt16.self)
        let scope = try reader.read(UInt32.self)
        let high = try reader.read(UInt64.self)
        let low = try reader.read(UInt64.self)
        switch family {
        case 4:
            guard let address = UInt32(exactly: high) else { throw .outOfRange }
            return .ipv4(address, port: port)
        case 6:
            return .ipv6(high: high, low: low, port: port, scope: scope)
        case 1:
            return .unix(path: String(decoding: try reader.read(count: Int(port)), as: UTF8.self))
        default:
            throw .badAddressFamily(family)
        }
    }
}
