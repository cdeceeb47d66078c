import CTLS
import TLSTestSupport
import Testing

@testable import StickyTLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite("Answers: plain HTTP, OCSP, key log")
struct AnswerTests {
    private func context(_ change: (inout TLSConfiguration) -> Void = { _ in }) throws -> TLSContext {
        let identity = TestIdentity(.ecdsa, names: "DNS:example.test,DNS:*.example.test")
        var configuration = TLSConfiguration(identities: [identity.identity])
        configuration.onEvent = { _ in }
        change(&configuration)
        return try TLSContext(configuration)
    }

    @Test(
        "Plain HTTP for one of our names is redirected to https",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n", "https://example.test/"),
            (
                "GET /a?b=c HTTP/1.1\r\nX: y\r\nhOST:\tWWW.Example.Test:8443 \r\n\r\n",
                "https://www.example.test:8443/a?b=c"
            ),
            ("POST /x HTTP/1.0\nHost: example.test.\n\nbody", "https://example.test/x"),
        ]
    )
    func redirect(request: String, location: String) throws {
        let answer = try String(decoding: context().answerToPlainHTTP(Array(request.utf8)), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 308 "))
        #expect(answer.contains("\r\nLocation: \(location)\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n"))
    }

    @Test(
        "All other requests get 400, and nothing of what they say comes back",
        arguments: [
            "", "GET", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: example.test", "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.b.example.test\r\n\r\n",
            "GET http://evil.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n",
            "GET /\u{1}x HTTP/1.1\r\nHost: example.test\r\n\r\n",
            "GET /\rLocation:x HTTP/1.1\r\nHost: example.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: example.test\r\nHost: evil.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: example.test:12345678\r\n\r\n", "GET / HTTP/1.1\r\nHost: example.test:x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x@example.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: <b>.example.test\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nHost: example.test\r\n\r\n",
            "GET /" + String(repeating: "a", count: 10_000) + " HTTP/1.1\r\nHost: example.test\r\n\r\n",
        ]
    )
    func badRequest(request: String) throws {
        let answer = try String(decoding: context().answerToPlainHTTP(Array(request.utf8)), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(!answer.contains("test"))
    }

    @Test("The key log has a line for each secret, is its owner's alone, and is told of")
    func keyLog() throws {
        let folder = try TemporaryFolder()
        let file = try folder.file("keys", [])
        let events = EventList()
        let context = try context {
            $0.insecureKeyLogFile = file
            $0.onEvent = events.sink
        }
        #expect(try Dialogue(context, serverName: "example.test").isOpen)
        let contents = try SecretBytes.contents(of: file, limit: 1 << 20)
        let text = String(decoding: contents.bytes, as: UTF8.self)
        #expect(text.contains("CLIENT_TRAFFIC_SECRET_0 "))
        #expect(text.split(separator: "\n").allSatisfy { $0.split(separator: " ").count == 3 })
        #expect(events.texts == ["INSECURE: the keys of all TLS sessions are written to \(file)."])
        chmod(file, 0o644)
        #expect(throws: TLSError.self) { try self.context { $0.insecureKeyLogFile = file } }
        let link = try folder.link("link", to: "\(folder.path)/target")
        #expect(throws: TLSError.self) { try self.context { $0.insecureKeyLogFile = link } }
        #expect(throws: TLSError.self) { try self.context { $0.insecureKeyLogFile = folder.path } }
    }

    @Test("An OCSP response goes to those who ask, and never after its end")
    func staple() throws {
        let authority = TestIdentity(.ecdsa, names: nil, subject: "authority", isAuthority: true)
        let leaf = TestIdentity(.ecdsa, by: authority)
        let clock = TestClock()
        func context(_ response: [UInt8]) throws -> TLSContext {
            var identity = leaf.identity
            identity.ocspResponse = TLSFile(bytes: response)
            var configuration = TLSConfiguration(identities: [identity])
            configuration.clock = clock.clock
            return try TLSContext(configuration)
        }
        let response = authority.ocspResponse(for: leaf, until: 1000)
        let good = try context(response)
        for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
            #expect(try Dialogue(good, version: version) { $0.wantsStaple = true }.client.staple == response)
            #expect(try Dialogue(good, version: version).client.staple == nil)
        }
        #expect(good.counters.snapshot.staplesSent == 2)
        clock.advance(1001)
        let late = try Dialogue(good) { $0.wantsStaple = true }
        #expect(late.isOpen && late.client.staple == nil)
        for bytes in [[], [1, 2, 3], Array(response.dropLast(5)), authority.ocspResponse(for: authority, until: 1000)] {
            #expect(#expect(throws: TLSError.self) { try context(bytes) }?.code == .damagedStaple)
        }
    }
}
