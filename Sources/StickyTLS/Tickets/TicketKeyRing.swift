internal import CTLS

/// The ticket keys of a server at one time: those of before, those in use, and those of after, which all workers know
/// before the first one uses them.
///
/// Made by the master with the system's random generator, and given to workers as ``encoded``. Keys are wiped when
/// the last copy of the value is gone.
public struct TicketKeyRing: Sendable {
    /// When the keys in use came into use, in seconds since 1970.
    public let usedSince: Int64
    /// Counts the rotations, from 1.
    public let epoch: UInt32

    /// Seals the names of tickets (``TicketRouting``), always the same one.
    let routing: RoutingKey
    let previous: TicketKeys?
    let current: TicketKeys
    let next: TicketKeys

    /// New keys.
    ///
    /// - Parameter now: Seconds since 1970.
    public init(now: Int64) throws(TLSError) {
        usedSince = now
        epoch = 1
        routing = try RoutingKey()
        previous = nil
        current = try TicketKeys()
        next = try TicketKeys()
    }

    private init(usedSince: Int64, epoch: UInt32, routing: RoutingKey, _ keys: [TicketKeys?]) throws(TLSError) {
        guard keys.count == 3, let current = keys[1], let next = keys[2] else {
            throw TLSError(.invalidTicketKeys, "The ticket keys are not complete.")
        }
        self.usedSince = usedSince
        self.epoch = epoch
        self.routing = routing
        previous = keys[0]
        self.current = current
        self.next = next
    }

    /// The ring after this one: the next keys are used, and new ones are made to come after them.
    ///
    /// - Parameter now: Seconds since 1970.
    public func rotated(now: Int64) throws(TLSError) -> TicketKeyRing {
        try TicketKeyRing(usedSince: now, epoch: epoch &+ 1, routing: routing, [current, next, TicketKeys()])
    }

    /// The names of the keys of before (if there are any), in use and of after. They are no secret, and tell in a log
    /// or a test which keys a process has.
    public var names: [[UInt8]] { [previous, current, next].compactMap { $0?.name } }

    private static let mark = Array("STK1".utf8)
    private static let length = 4 + 8 + 4 + 16 + 1 + 3 * 80

    /// The ring as bytes, for sharing with workers. They are secret: do not write them anywhere.
    public var encoded: [UInt8] {
        var bytes = TicketKeyRing.mark
        bytes.reserveCapacity(TicketKeyRing.length)
        withUnsafeBytes(of: usedSince.littleEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: epoch.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: UnsafeBufferPointer(start: routing.memory.base, count: 16))
        bytes.append(previous == nil ? 0 : 1)
        for keys in [previous, current, next] {
            if let keys {
                keys.withUnsafeBytes { bytes.append(contentsOf: $0) }
            } else {
                bytes.append(contentsOf: repeatElement(0, count: 80))
            }
        }
        return bytes
    }

    /// Reads what ``encoded`` gave. Throws `invalidTicketKeys` for anything else.
    public init(encoded bytes: [UInt8]) throws(TLSError) {
        guard bytes.count == TicketKeyRing.length, bytes.starts(with: TicketKeyRing.mark), bytes[32] <= 1 else {
            throw TLSError(.invalidTicketKeys, "These bytes are no ticket keys of this version.")
        }
        func number(_ range: Range<Int>) -> UInt64 {
            range.reversed().reduce(0) { $0 << 8 | UInt64(bytes[$1]) }
        }
        var keys: [TicketKeys?] = []
        for index in 0..<3 {
            let start = 33 + index * 80
            keys.append(index == 0 && bytes[32] == 0 ? nil : try TicketKeys(bytes[start..<(start + 80)]))
        }
        try self.init(
            usedSince: Int64(bitPattern: number(4..<12)),
            epoch: UInt32(number(12..<16)),
            routing: RoutingKey(bytes[16..<32]),
            keys
        )
    }
}
