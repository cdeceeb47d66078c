#if Hummingbird
import ArgumentParser
import StickyTLS
import Testing

@testable import StickyDemo

@Suite("The demo's options about TLS")
struct TLSArgumentsTests {
    private func configuration(_ arguments: String...) throws -> TLSConfiguration {
        // The certificate is not read yet.
        try TLSArguments.parse(["--certificate", "x.pem"] + arguments).configuration()
    }

    /// What the command line would answer.
    private func complaint(_ arguments: String...) throws -> String {
        let error = try #require(throws: (any Error).self) { try TLSArguments.parse(arguments) }
        return TLSArguments.message(for: error)
    }

    @Test("Without options the library's defaults hold, with the master's ticket keys")
    func defaults() throws {
        let made = try configuration()
        let defaults = TLSConfiguration(identities: [])
        guard case .master = made.ticketKeys else {
            Issue.record("\(made.ticketKeys)")
            return
        }
        #expect(made.handshakeDeadline == defaults.handshakeDeadline)
        #expect(made.maximumHandshakesInProgress == defaults.maximumHandshakesInProgress)
        #expect(made.clientCertificates.requirement == .none)
        #expect(try TLSArguments.parse([]).isEmpty)
    }

    @Test("Ticket keys may be files of nginx and of HAProxy; they are watched like the others")
    func ticketKeys() throws {
        let made = try configuration("--ticket-keys", "current.key", "--ticket-keys", "haproxy.keys")
        guard case .files(["current.key", "haproxy.keys"]) = made.ticketKeys else {
            Issue.record("\(made.ticketKeys)")
            return
        }
        #expect(made.files == ["x.pem", "current.key", "haproxy.keys"])
    }

    @Test("Client certificates may be allowed by name, URI and public key, each several times")
    func allowLists() throws {
        let hexadecimal = String(repeating: "0f", count: 31) + "FF"
        let colons = (0..<32).map { _ in "Ab" }.joined(separator: ":")
        let made = try configuration(
            "--client-ca",
            "ca.pem",
            "--client-allow-san",
            "a.test",
            "--client-allow-san",
            "b.test",
            "--client-allow-uri",
            "spiffe://test/*",
            "--client-allow-pin",
            hexadecimal,
            "--client-allow-pin",
            colons,
            "--client-allow-pin",
            "sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8="
        ).clientCertificates
        #expect(made.requirement == .required)
        #expect(made.allowedDNSNames == ["a.test", "b.test"])
        #expect(made.allowedURIs == ["spiffe://test/*"])
        #expect(
            made.allowedPublicKeys == [
                [UInt8](repeating: 0x0F, count: 31) + [0xFF],
                [UInt8](repeating: 0xAB, count: 32),
                Array(0...30) + [0xFF],
            ]
        )
    }

    @Test("Limits of handshakes")
    func limits() throws {
        let made = try configuration("--handshake-timeout", "2.5", "--handshakes-at-once", "50")
        #expect(made.handshakeDeadline == .milliseconds(2500))
        #expect(made.maximumHandshakesInProgress == 50)
    }

    @Test("Each of them counts as an option about TLS, which --plain refuses")
    func nonempty() throws {
        for option in [
            ["--ticket-keys", "x"], ["--handshake-timeout", "1"], ["--handshakes-at-once", "1"],
            ["--client-ca", "x", "--client-allow-uri", "x"],
        ] {
            #expect(try !TLSArguments.parse(option).isEmpty)
            #expect(throws: (any Error).self) { try DemoCommand.parse(["--plain"] + option) }
        }
    }

    @Test("What is wrong is said in a sentence that names the option and what it expects")
    func complaints() throws {
        for option in ["--client-allow-san", "--client-allow-uri"] {
            #expect(try complaint(option, "x").contains("need --client-ca"))
        }
        #expect(try complaint("--client-allow-pin", String(repeating: "0", count: 64)).contains("need --client-ca"))
        let pins = [
            "", "abc", String(repeating: "0", count: 63), String(repeating: "g", count: 64), "sha256/AAEC=", "٠١",
        ]
        for pin in pins + [String(repeating: "A", count: 44), String(repeating: "!", count: 43) + "="] {
            let text = try complaint("--client-ca", "ca.pem", "--client-allow-pin", pin)
            #expect(text.contains("--client-allow-pin") && text.contains("SHA-256"), "\(text)")
        }
        for seconds in ["0", "-1", "nan", "inf", "3601"] {
            let text = try complaint("--handshake-timeout=\(seconds)")
            #expect(text.contains("--handshake-timeout") && text.contains("0.1 to 3600"), "\(text)")
        }
        for count in ["0", "-5", "1000001"] {
            #expect(try complaint("--handshakes-at-once=\(count)").contains("expected 1 to 1000000"))
        }
        #expect(try complaint("--handshakes-at-once", "many").contains("--handshakes-at-once"))
    }
}
#endif
