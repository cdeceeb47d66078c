import Testing

@testable import StickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("Socket address")
struct SocketAddressTests {
    /// What the kernel would hand back for an address.
    private func native(_ address: SocketAddress) throws -> (sockaddr_storage, socklen_t) {
        let copy = address.withNative { pointer, length in
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: Int(length)))
            }
            return (storage, length)
        }
        return try #require(copy)
    }

    private static let samples: [SocketAddress] = [
        .ipv4(0, port: 0),
        .ipv4(.max, port: .max),
        .ipv4(0x0102_0304, port: 0x0506),
        .ipv6(high: 0, low: 0, port: 0),
        .ipv6(high: .max, low: .max, port: .max, scope: .max),
        .ipv6(high: 0x0001_0203_0405_0607, low: 0x0809_0a0b_0c0d_0e0f, port: 0x1011, scope: 7),
        .unix(path: ""),
        .unix(path: "/run/app.sock"),
        .unix(path: "straße"),
        .unix(path: String(repeating: "x", count: 103)),
    ]

    @Test("An address survives the way through the system's form", arguments: samples)
    func roundTrip(_ address: SocketAddress) throws {
        let (storage, length) = try native(address)
        #expect(SocketAddress(storage, length: length) == address)
    }

    @Test("The system's form is in network byte order")
    func byteOrder() throws {
        let (v4, length4) = try native(.ipv4(0x7f00_0001, port: 0x1234))
        #expect(v4.ss_family == sa_family_t(AF_INET))
        #expect(Int(length4) == MemoryLayout<sockaddr_in>.size)
        withUnsafeBytes(of: v4) { #expect(Array($0[2..<8]) == [0x12, 0x34, 127, 0, 0, 1]) }
        let (v6, length6) = try native(.ipv6(high: 0x0102 << 48, low: 3, port: 0x1234))
        #expect(v6.ss_family == sa_family_t(AF_INET6))
        #expect(Int(length6) == MemoryLayout<sockaddr_in6>.size)
        withUnsafeBytes(of: v6) {
            #expect(Array($0[2..<4]) == [0x12, 0x34])
            #expect(Array($0[8..<24]) == [1, 2] + [UInt8](repeating: 0, count: 13) + [3])
        }
    }

    @Test("A Unix path must leave room for the zero at its end")
    func longPath() {
        let room = MemoryLayout<sockaddr_un>.size - (MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2)
        let address = SocketAddress.unix(path: String(repeating: "x", count: room))
        #expect(address.withNative { _, _ in true } == nil)
        let shorter = SocketAddress.unix(path: String(repeating: "x", count: room - 1))
        #expect(shorter.withNative { _, _ in true } == true)
    }

    @Test("A peer without a name is a Unix socket with an empty path")
    func unnamed() {
        var storage = sockaddr_storage()
        #expect(SocketAddress(storage, length: 0) == .unix(path: ""))
        storage.ss_family = sa_family_t(AF_UNIX)
        #expect(SocketAddress(storage, length: socklen_t(MemoryLayout<sa_family_t>.size)) == .unix(path: ""))
    }

    @Test("A length beyond the buffer reads no further than it")
    func overlong() throws {
        let (storage, _) = try native(.unix(path: "/a"))
        #expect(SocketAddress(storage, length: 60_000) == .unix(path: "/a"))
    }

    @Test("A family that is no socket's of ours is none")
    func family() {
        var storage = sockaddr_storage()
        storage.ss_family = 77
        #expect(SocketAddress(storage, length: 128) == nil)
    }

    @Test("A path that is not UTF-8 is repaired, not refused")
    func invalidPath() throws {
        var (storage, _) = try native(.unix(path: "/a"))
        withUnsafeMutableBytes(of: &storage) { $0[3] = 0xff }
        #expect(SocketAddress(storage, length: 5) == .unix(path: "/\u{fffd}"))
    }

    @Test(
        "Numeric hosts read and write",
        arguments: [
            ("127.0.0.1", "127.0.0.1:5"), ("255.255.255.255", "255.255.255.255:5"), ("::", "[::]:5"),
            ("::1", "[::1]:5"), ("2001:DB8::a:0:0:1", "[2001:db8::a:0:0:1]:5"),
        ]
    )
    func numeric(_ host: String, _ description: String) throws {
        let address = try #require(SocketAddress(numericHost: host, port: 5))
        #expect(address.description == description)
        #expect(address.port == 5)
        #expect(SocketAddress(numericHost: address.host, port: 5) == address)
    }

    @Test("What is not numeric is refused", arguments: ["", "localhost", "256.0.0.1", "1.2.3", "::g", "[::1]", " ::1"])
    func notNumeric(_ host: String) {
        #expect(SocketAddress(numericHost: host, port: 5) == nil)
    }

    @Test("Only a Unix socket has no port, and only its path is its host")
    func unix() {
        #expect(SocketAddress.unix(path: "/s").port == nil)
        #expect(SocketAddress.unix(path: "/s").host == "/s")
        #expect(SocketAddress.unix(path: "/s").description == "unix:/s")
        #expect(SocketAddress.unix(path: "").description == "unix:")
        #expect(SocketAddress.unix(path: "/s").with(port: 5) == .unix(path: "/s"))
    }

    @Test("A wildcard is the address of all addresses")
    func wildcard() {
        #expect(SocketAddress.ipv4(0, port: 1).isWildcard)
        #expect(SocketAddress.ipv6(high: 0, low: 0, port: 1).isWildcard)
        #expect(!SocketAddress.ipv4(1, port: 1).isWildcard)
        #expect(!SocketAddress.ipv6(high: 0, low: 1, port: 1).isWildcard)
        #expect(!SocketAddress.ipv6(high: 1, low: 0, port: 1).isWildcard)
        #expect(!SocketAddress.unix(path: "").isWildcard)
    }

    @Test("Another port changes nothing else")
    func withPort() {
        let address = SocketAddress.ipv6(high: 1, low: 2, port: 3, scope: 4)
        #expect(address.with(port: 9) == .ipv6(high: 1, low: 2, port: 9, scope: 4))
        #expect(SocketAddress.ipv4(1, port: 3).with(port: 9) == .ipv4(1, port: 9))
    }
}
