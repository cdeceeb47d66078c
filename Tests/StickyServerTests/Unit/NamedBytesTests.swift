import Testing

@testable import StickyServer

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
