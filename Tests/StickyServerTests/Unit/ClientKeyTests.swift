import Testing

@testable import StickyServer

@Suite("Client key")
struct ClientKeyTests {
    private func key(_ host: String, port: UInt16 = 1, prefix: Int = 64) throws -> ClientKey {
        let address = try #require(SocketAddress(numericHost: host, port: port))
        return try #require(ClientKey(address, ipv6PrefixLength: prefix))
    }

    @Test("An IPv4 client is its whole address, whatever its port")
    func ipv4() throws {
        let client = try key("192.0.2.7", port: 40_000)
        #expect(client.first == 0xc000_0207)
        #expect(client.second == nil)
        #expect(try client == key("192.0.2.7", port: 40_001))
        #expect(try client != key("192.0.2.8", port: 40_000))
    }

    @Test(
        "An IPv4 address inside an IPv6 one is the same client",
        arguments: ["::ffff:192.0.2.7", "64:ff9b::192.0.2.7", "64:ff9b::c000:207"]
    )
    func embedded(_ host: String) throws {
        #expect(try key(host) == key("192.0.2.7"))
        #expect(try key(host, prefix: 1) == key("192.0.2.7"))
    }

    @Test(
        "What only looks like an embedded IPv4 address is none",
        arguments: [
            "::192.0.2.7", "::fffe:c000:207", "::1:ffff:c000:207", "64:ff9b::1:c000:207", "64:ff9b:1::c000:207",
            "64:ff9c::c000:207",
        ]
    )
    func notEmbedded(_ host: String) throws {
        #expect(try key(host).second != nil)
        #expect(try key(host) != key("192.0.2.7"))
    }

    @Test("A global IPv6 client is its /64, so that privacy addresses do not move it")
    func household() throws {
        let client = try key("2001:db8:1:2:3:4:5:6")
        #expect(client.first == 0x2001_0db8_0001_0002)
        #expect(client.second == 0)
        #expect(try client == key("2001:db8:1:2:ffff:ffff:ffff:ffff", port: 9))
        #expect(try client != key("2001:db8:1:3:3:4:5:6"))
    }

    @Test("Both ends of 2000::/3 count as global, and their neighbours do not")
    func globalRange() throws {
        #expect(try key("2000::1") == key("2000::2"))
        #expect(try key("3fff:ffff:ffff:ffff::1") == key("3fff:ffff:ffff:ffff::2"))
        #expect(try key("1fff:ffff:ffff:ffff::1") != key("1fff:ffff:ffff:ffff::2"))
        #expect(try key("4000::1") != key("4000::2"))
    }

    @Test(
        "Addresses that share one /64 with a whole LAN count whole",
        arguments: [("fe80::1", "fe80::2"), ("fd00:1:2:3::1", "fd00:1:2:3::2"), ("fc00::1", "fc00::2"), ("::1", "::2")]
    )
    func whole(_ one: String, _ other: String) throws {
        #expect(try key(one) != key(other))
        #expect(try key(one, prefix: 1) != key(other, prefix: 1))
        #expect(try key(one, port: 7) == key(one, port: 8))
    }

    @Test("The interface of a link-local client does not matter")
    func scope() {
        let one = SocketAddress.ipv6(high: 0xfe80 << 48, low: 5, port: 1, scope: 2)
        let other = SocketAddress.ipv6(high: 0xfe80 << 48, low: 5, port: 1, scope: 3)
        #expect(ClientKey(one, ipv6PrefixLength: 64) == ClientKey(other, ipv6PrefixLength: 64))
    }

    @Test("Exactly the bits of the prefix name the client", arguments: 1...128)
    func prefixLengths(_ length: Int) throws {
        let (high, low): (UInt64, UInt64) = (0x2001_0db8_5a5a_a5a5, 0x0123_4567_89ab_cdef)
        let client = ClientKey(.ipv6(high: high, low: low, port: 1), ipv6PrefixLength: length)
        // Bits 0 to 2 make the address a global one.
        for bit in 3..<128 {
            let flipped = SocketAddress.ipv6(
                high: bit < 64 ? high ^ 1 << UInt64(63 - bit) : high,
                low: bit < 64 ? low : low ^ 1 << UInt64(127 - bit),
                port: 1
            )
            let isSame = ClientKey(flipped, ipv6PrefixLength: length) == client
            #expect(isSame == (bit >= length), "bit \(bit)")
        }
    }

    @Test("A Unix socket has no client to name")
    func unix() {
        #expect(ClientKey(.unix(path: ""), ipv6PrefixLength: 64) == nil)
        #expect(ClientKey(.unix(path: "/tmp/s"), ipv6PrefixLength: 64) == nil)
    }
}
