import Foundation
import TestSupport
import Testing

@Suite("First messages, cut and malformed", .serialized)
struct HelloTests {
    /// Several names with policies of their own; other names are refused.
    static let strict: [String: JSON] = [
        "hosts": .array([
            TestFiles.host("mtls", clients: TestFiles.clients("required")),
            TestFiles.host("exact"), TestFiles.host("wild", "wild-rsa"),
        ]),
        "identities": .array([TestFiles.identity("open"), TestFiles.identity("rsa")]),
        "refuseUnknownNames": true,
        "alpn": .array(["http/1.1"]),
    ]

    @Test("T13: A hello gets the same name and the same policy however it is cut")
    func splits() async throws {
        let fixture = try await Fixture(Self.strict)
        let facts = try await fixture.client("hellos", "splits")
        #expect(facts["splits"].array.count == 24)
        for split in facts["splits"].array {
            let way = split["way"].text
            #expect(split["name"] == "open.test", "\(way)")
            // TLS 1.2 says it in the handshake, TLS 1.3 after the client believes to be through.
            let refusal = split["mtls"].text
            #expect(
                refusal
                    == (way.hasPrefix("1.2") ? "SSLV3_ALERT_HANDSHAKE_FAILURE" : "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
                "\(way)"
            )
            #expect(split["unknown"] == "TLSV1_UNRECOGNIZED_NAME", "\(way)")
        }
        #expect(facts["sslv2Served"] == false)
        try await fixture.stop()
    }

    @Test("T16, T18: Wildcards stand for one label, odd names are refused with a fatal alert")
    func names() async throws {
        let fixture = try await Fixture(Self.strict)
        let got = try await fixture.client("hellos", "names")
        for name in ["open.test", "OPEN.Test", "open.test.", "none"] { #expect(got[name] == "open", "\(name)") }
        // An address is no name (RFC 6066 section 3), so it counts as none.
        for name in ["address", "address 6"] { #expect(got[name] == "open", "\(name)") }
        #expect(got["a.wild.test"] == "exact")
        for name in ["b.wild.test", "B.WILD.test.", "label of 63"] { #expect(got[name] == "wild", "\(name)") }
        let refused = [
            "a.b.wild.test", "wild.test", ".wild.test", "xwild.test", "open.test NUL", "NUL", "open NUL",
            "b.wild.test..",
            "empty", "dot", "long", "unknown",
        ]
        // Fatal is 2; a warning (1) would be ignored by some clients (HAProxy d385060).
        for name in refused {
            #expect(["alert 2 112", "alert 2 50"].contains(got[name].text), "\(name): \(got[name].text)")
        }
        for name in ["*.wild.test", "two names", "utf8", "space"] {
            #expect(got[name].text.hasPrefix("alert 2 ") || got[name] == "wild", "\(name): \(got[name].text)")
        }
        try await fixture.stop()
    }

    @Test("T14: After a HelloRetryRequest the name must be the same, and nothing is left behind")
    func retry() async throws {
        var settings = Self.strict
        settings["groups"] = .array(["P-256"])
        let fixture = try await Fixture(settings)
        let facts = try await fixture.client("hellos", "retry")
        #expect(facts["wasAsked"] == true)
        #expect(facts["open.test"] == "hello")
        #expect(facts["mtls.test"] == "alert 2 47")
        #expect(facts["none"] == "alert 2 47")
        // X25519 first, so that each of them is asked again.
        for name in ["open.test", "mtls.test"] {
            let probe = try await Command.openssl(
                fixture,
                name: name,
                "-tls1_3",
                "-groups",
                "X25519:P-256",
                "-msg",
                "-cert",
                TestFiles.path("client.pem"),
                "-key",
                TestFiles.path("client-key.pem"),
                "-ign_eof",
                input: "who\nclose\n"
            )
            #expect(probe.output.matches(of: />>> TLS 1\.3, Handshake \[length [0-9a-f]+\], ClientHello/).count == 2)
            #expect(probe.output.contains("\"sni\":\"\(name)\""), "\(probe.all)")
        }
        try await eventually(within: 10, "no handshake is left") {
            try await fixture.total("handshakesInProgress") == 0
        }
        try await fixture.stop()
    }

    @Test("T17: Each client gets the kind of key that it can verify, by exact name and by wildcard")
    func keys() async throws {
        let fixture = try await Fixture(Self.strict)
        let algorithms = ["EC": "ECDSA+SHA256", "RSA": "rsa_pss_rsae_sha256:RSA+SHA256"]
        // The exact name has only an ECDSA certificate: the wildcard's RSA one fills the gap.
        let wanted = [
            ("open.test", "EC", "CN = open"), ("open.test", "RSA", "CN = rsa"), ("b.wild.test", "EC", "CN = wild"),
            ("b.wild.test", "RSA", "CN = wild-rsa"), ("a.wild.test", "EC", "CN = exact"),
            ("a.wild.test", "RSA", "CN = wild-rsa"),
        ]
        for version in ["-tls1_2", "-tls1_3"] {
            for (name, kind, subject) in wanted {
                let probe = try await Command.openssl(
                    fixture,
                    name: name,
                    version,
                    "-sigalgs",
                    try #require(algorithms[kind])
                )
                #expect(probe.output.contains("subject=\(subject)\n"), "\(version) \(name) \(kind): \(probe.all)")
                #expect(probe.output.contains("Verify return code: 0 (ok)"), "\(version) \(name) \(kind)")
            }
        }
        try await fixture.stop()
    }

    @Test("T20: Floods of pieces that mean nothing are cut off, and others are served", .timeLimit(.minutes(1)))
    func floods() async throws {
        let fixture = try await Fixture(Self.strict, workers: 1)
        let pid = try #require(fixture.workers.first)
        let before = ProcessTree.cpuTime(below: pid)
        let facts = try await fixture.client("hellos", "flood")
        let kinds = [
            "empty records", "warnings", "change cipher spec", "change cipher spec after hello", "hello without end",
            "hello of 100 kB",
        ]
        // Cut off at once, and not at the deadline of 10 s.
        for kind in kinds { #expect((0..<9).contains(facts[kind].number), "\(kind): \(facts[kind].number)") }
        #expect(ProcessTree.cpuTime(below: pid) - before < 1)
        #expect(fixture.workers == [pid])
        let who = try await Command.openssl(fixture, "-ign_eof", input: "who\nclose\n")
        #expect(who.output.contains("\"slot\":0"))
        try await fixture.stop()
    }

    @Test("S6: 300 hellos with random changes end before the deadline, and the workers live on")
    func mutated() async throws {
        let fixture = try await Fixture(Self.strict)
        let workers = fixture.workers
        let facts = try await fixture.client("hellos", "mutated")
        #expect(facts["ended"] == 300)
        #expect(facts["hung"] == 0)
        #expect(facts["slowest"].number < 8)
        #expect(fixture.workers == workers)
        try await fixture.stop()
    }

    @Test("T23: What two workers call random never repeats")
    func randoms() async throws {
        let fixture = try await Fixture()
        let facts = try await fixture.client("hellos", "randoms")
        #expect(facts["randoms"] == 120)
        #expect(facts["differentRandoms"] == 120)
        #expect(facts["tickets"] == 60)
        #expect(facts["differentVectors"] == 60)
        #expect(facts["differentNames"] == 60)
        #expect(facts["weak"] == 0)
        try await fixture.stop()
    }
}
