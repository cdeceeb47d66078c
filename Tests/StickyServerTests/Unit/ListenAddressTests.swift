import Testing

@testable import StickyServer

@Suite("Listen address")
struct ListenAddressTests {
    private func code(_ body: () throws(StickyServerError) -> Void) -> StickyServerError.Code? {
        do throws(StickyServerError) {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    @Test(
        "Good text names what it says",
        arguments: [
            ("127.0.0.1:8443", SocketAddress.ipv4(0x7f00_0001, port: 8443)),
            ("127.0.0.1:0", .ipv4(0x7f00_0001, port: 0)),
            ("[::1]:65535", .ipv6(high: 0, low: 1, port: 65_535)),
            ("[2001:db8::5]:80", .ipv6(high: 0x2001_0db8_0000_0000, low: 5, port: 80)),
            ("*:80", .ipv6(high: 0, low: 0, port: 80)),
            (":80", .ipv6(high: 0, low: 0, port: 80)),
            ("80", .ipv6(high: 0, low: 0, port: 80)),
            ("unix:/run/app.sock", .unix(path: "/run/app.sock")),
            ("unix:a:b", .unix(path: "a:b")),
        ]
    )
    func good(_ text: String, _ expected: SocketAddress) throws {
        let address = try ListenAddress(parsing: text)
        #expect(address.address == expected)
        #expect(address.inheritedName == nil)
    }

    @Test("Every address falls back to IPv4 on machines without IPv6; one address does not")
    func fallback() throws {
        #expect(try ListenAddress.any(port: 80).fallback == .ipv4(0, port: 80))
        #expect(try ListenAddress.tcp("*", port: 80) == .any(port: 80))
        #expect(try ListenAddress(parsing: "*:80") == .any(port: 80))
        #expect(try ListenAddress.tcp("::", port: 80).fallback == nil)
        #expect(try ListenAddress(parsing: "127.0.0.1:80").fallback == nil)
    }

    @Test(
        "Bad ports are refused",
        arguments: [
            "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1: 80", "65536", "-1", "",
            "localhost", "[::1]", "*:99999999999999999999", "+80", "127.0.0.1:+80", "-0", "*:-0", "*:8_0", "٨٠",
        ]
    )
    func badPort(_ text: String) {
        #expect(code { () throws(StickyServerError) in _ = try ListenAddress(parsing: text) } == .invalidPort)
    }

    @Test(
        "Bad addresses are refused",
        arguments: ["::1:80", "a:b:80", "unix:", "[no such name]:80", "no such name:80", "[]:80"]
    )
    func badAddress(_ text: String) {
        #expect(code { () throws(StickyServerError) in _ = try ListenAddress(parsing: text) } == .invalidAddress)
    }

    @Test("Ports out of range are refused by every maker", arguments: [-1, 65_536, Int.min, Int.max])
    func range(_ port: Int) {
        #expect(code { () throws(StickyServerError) in _ = try ListenAddress.any(port: port) } == .invalidPort)
        #expect(code { () throws(StickyServerError) in _ = try ListenAddress.tcp("::1", port: port) } == .invalidPort)
    }

    @Test("A refusal quotes the text")
    func message() throws {
        let error = #expect(throws: StickyServerError.self) { try ListenAddress(parsing: "::1:80") }
        #expect(error?.description.contains("«::1:80»") == true)
        #expect(error?.code.description == "invalidAddress")
    }

    @Test("localhost is the IPv4 loopback where it has one")
    func localhost() throws {
        let address = try ListenAddress.tcp("localhost", port: 80).address
        #expect([.ipv4(0x7f00_0001, port: 80), .ipv6(high: 0, low: 1, port: 80)].contains(address))
    }

    @Test("A listener of the service manager is named, not addressed")
    func inherited() throws {
        #expect(try ListenAddress(parsing: "inherited:web").inheritedName == "web")
        #expect(try ListenAddress(parsing: "inherited:").inheritedName == "")
        #expect(ListenAddress.inherited(name: "web").description == "inherited:web")
    }

    @Test(
        "A description reads back as the same address",
        arguments: ["127.0.0.1:8443", "[::1]:1", "unix:/tmp/a b", "inherited:web"]
    )
    func description(_ text: String) throws {
        #expect(try ListenAddress(parsing: text).description == text)
    }

    @Test("The defaults are those of the documentation")
    func defaults() throws {
        var address = try ListenAddress.any(port: 1)
        #expect(address.dualStack && address.noDelay && address.keepAlive && address.reuseAddress)
        #expect(address.backlog == 4096)
        #expect(address.deferAccept == 0)
        #expect(address.mode == nil)
        #expect(address.owner == nil)
        address.owner = (user: 5, group: 6)
        #expect(address.owner?.user == 5)
        #expect(address.owner?.group == 6)
        address.owner = nil
        #expect(address.owner == nil)
    }
}
