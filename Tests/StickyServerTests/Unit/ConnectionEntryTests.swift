import Testing

@testable import StickyServer

@Suite("Connection entry")
struct ConnectionEntryTests {
    private static let addresses: [SocketAddress] = [
        .ipv4(0, port: 0),
        .ipv4(.max, port: .max),
        .ipv4(0x7f00_0001, port: 443),
        .ipv6(high: 0, low: 1, port: 443),
        .ipv6(high: .max, low: .max, port: .max, scope: .max),
        .unix(path: ""),
        .unix(path: "/run/ä.sock"),
        .unix(path: String(repeating: "x", count: 108)),
    ]

    private func entry(
        peer: SocketAddress = .ipv4(1, port: 2),
        local: SocketAddress = .ipv6(high: 3, low: 4, port: 5),
        prelude: [UInt8] = [1, 2, 3]
    ) -> ConnectionEntry {
        ConnectionEntry(
            peer: peer,
            local: local,
            listener: 63,
            reason: .rehomed,
            hops: 1,
            tag: ConnectionTag(number: 0x0102_0304_0506_0708),
            prelude: prelude
        )
    }

    private func bytes(_ entry: ConnectionEntry) -> [UInt8] {
        var writer = FrameWriter()
        entry.write(to: &writer)
        return writer.bytes
    }

    private func decode(_ bytes: [UInt8]) throws(FrameError) -> ConnectionEntry {
        try withReader(bytes) { reader throws(FrameError) in try ConnectionEntry(from: &reader) }
    }

    @Test("An entry arrives as it was sent", arguments: addresses, addresses)
    func roundTrip(_ peer: SocketAddress, _ local: SocketAddress) throws {
        for prelude in [[], [0], [UInt8](repeating: 7, count: ConnectionEntry.maximumPrelude)] {
            let entry = entry(peer: peer, local: local, prelude: prelude)
            let bytes = bytes(entry)
            #expect(try decode(bytes) == entry)
            #expect(bytes.count <= ConnectionEntry.room(forPrelude: prelude.count))
        }
    }

    @Test("The largest entry fits a frame with the number of its slot")
    func fitsFrame() {
        #expect(ConnectionEntry.room(forPrelude: ConnectionEntry.maximumPrelude) + 2 <= Frame.maximumPayload)
    }

    @Test("Entries follow each other in one frame")
    func several() throws {
        let entries = Self.addresses.map { entry(peer: $0, local: $0) }
        let all = entries.flatMap { bytes($0) }
        let decoded = try withReader(all) { reader throws(FrameError) in
            var decoded: [ConnectionEntry] = []
            while reader.remaining > 0 { decoded.append(try ConnectionEntry(from: &reader)) }
            return decoded
        }
        #expect(decoded == entries)
    }

    @Test("Every shorter piece of an entry is truncated", arguments: addresses)
    func truncation(_ address: SocketAddress) {
        let bytes = bytes(entry(peer: address, local: address))
        for length in 0..<bytes.count {
            let error = frameError { () throws(FrameError) in try decode(Array(bytes[..<length])) }
            #expect(error == .truncated, "length \(length)")
        }
    }

    @Test("Families that are none of ours are refused", arguments: 0...255)
    func family(_ family: Int) {
        var bytes = bytes(entry(peer: .ipv4(1, port: 0)))
        bytes[16] = UInt8(family)
        let error = frameError { () throws(FrameError) in try decode(bytes) }
        #expect(error == ([1, 4, 6].contains(family) ? nil : .badAddressFamily(UInt8(family))))
    }

    @Test("An IPv4 address beyond 32 bits is refused")
    func wideAddress() {
        var bytes = bytes(entry(peer: .ipv4(1, port: 0)))
        bytes[16 + 8 + 4] = 1
        #expect(frameError { () throws(FrameError) in try decode(bytes) } == .outOfRange)
    }

    @Test("A prelude beyond the limit is refused before it is read", arguments: [UInt32(61_441), .max])
    func longPrelude(_ length: UInt32) {
        var bytes = bytes(entry())
        withUnsafeBytes(of: length.littleEndian) { bytes.replaceSubrange(4..<8, with: $0) }
        #expect(frameError { () throws(FrameError) in try decode(bytes) } == .outOfRange)
    }

    @Test("A path that is too long to be one is cut, not refused")
    func longPath() throws {
        let long = entry(peer: .unix(path: String(repeating: "x", count: 500)))
        #expect(try decode(bytes(long)).peer == .unix(path: String(repeating: "x", count: 108)))
    }

    @Test("Reasons of a later version keep their number")
    func reasons() throws {
        var bytes = bytes(entry())
        bytes[1] = 200
        #expect(try decode(bytes).reason.description == "reason-200")
        #expect(
            [RouteReason.address, .roundRobin, .rerouted, .rehomed].map(\.description)
                == ["address", "round-robin", "rerouted", "re-homed"]
        )
    }
}
