import Foundation
import TestSupport
import Testing

@Suite("Tickets and resumption", .serialized)
struct SessionTests {
    static let hosts: [String: JSON] = [
        "hosts": .array([
            TestFiles.host("mtls", clients: TestFiles.clients("required", tickets: 1)),
            TestFiles.host("optional", clients: TestFiles.clients("optional", tickets: 1)),
            TestFiles.host("vanish"),
        ])
    ]

    @Test("T1: A ticket of one name does not resume at another, least of all at one that wants a certificate")
    func crossName() async throws {
        let fixture = try await Fixture(Self.hosts)
        let facts = try await fixture.client("sessions", "cross")
        #expect(facts["ways"].array.count == 4)
        for way in facts["ways"].array {
            let how = way["how"].text
            // Without this, the others would be empty words.
            #expect(way["same"] == true, "\(how)")
            #expect(way["otherName"] == false, "\(how)")
            #expect(
                way["mtls"].text
                    == (how.hasPrefix("1.2") ? "SSLV3_ALERT_HANDSHAKE_FAILURE" : "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
                "\(how)"
            )
        }
        try await fixture.stop()
    }

    @Test("T2: Tickets from before a stricter policy do not resume")
    func stricterPolicy() async throws {
        func settings(_ policy: JSON) -> [String: JSON] {
            ["hosts": .array([TestFiles.host("optional", clients: policy)])]
        }
        let optional = settings(TestFiles.clients("optional", tickets: 1))
        let fixture = try await Fixture(optional)
        let companion = try Companion(fixture, "sessions", "kept")

        _ = try await companion.order("keep optional.test")
        #expect(try await companion.outcomes("resume optional.test") == Array(repeating: "resumed", count: 8))
        try fixture.change(settings(TestFiles.clients("required", tickets: 1)))
        #expect(try await fixture.reload().allSatisfy { $0["ok"] == true })
        let refused = try await companion.outcomes("resume optional.test")
        #expect(refused.count == 8)
        #expect(refused.allSatisfy { $0.contains("CERTIFICATE_REQUIRED") || $0.contains("HANDSHAKE_FAILURE") })

        // A list of revoked certificates: whoever is in it must be looked at again.
        try fixture.change(optional)
        try await fixture.reload()
        _ = try await companion.order("keep optional.test revoked")
        #expect(try await companion.outcomes("resume optional.test") == Array(repeating: "resumed", count: 8))
        try fixture.change(settings(TestFiles.clients("optional", crl: "crl.pem", tickets: 1)))
        #expect(try await fixture.reload().allSatisfy { $0["ok"] == true })
        let revoked = try await companion.outcomes("resume optional.test")
        #expect(revoked.allSatisfy { $0.contains("REVOKED") }, "\(revoked)")

        // Another authority.
        try fixture.change(optional)
        try await fixture.reload()
        _ = try await companion.order("keep optional.test client")
        var other = settings(TestFiles.clients("optional", tickets: 1))
        other["hosts"] = .array([
            TestFiles.host(
                "optional",
                clients: .object([
                    "requirement": "optional", "authorities": .array([.string(TestFiles.path("stranger-ca.pem"))]),
                    "tickets": 1,
                ])
            )
        ])
        try fixture.change(other)
        #expect(try await fixture.reload().allSatisfy { $0["ok"] == true })
        let strangers = try await companion.outcomes("resume optional.test")
        #expect(strangers.allSatisfy { $0.contains("UNKNOWN_CA") }, "\(strangers)")
        try await fixture.stop()
    }

    @Test("T3: A chain of resumptions ends with the session's lifetime, counted from its full handshake")
    func chain() async throws {
        let fixture = try await Fixture(["sessionLifetime": 3, "ticketLifetime": 3600])
        let facts = try await fixture.client("sessions", "chain", "15")
        for version in ["1.2", "1.3"] {
            let chain = facts["versions"][version]
            #expect(chain["links"].int >= 3, "TLS \(version)")
            // Time in tickets has steps of a second.
            #expect((2...9).contains(chain["ended"].number), "TLS \(version): \(chain["ended"].number)")
        }
        try await fixture.stop()
    }

    @Test("T4, T30: With optional client certificates sessions resume, and it is told what was proved where")
    func optional() async throws {
        let fixture = try await Fixture(Self.hosts)
        let facts = try await fixture.client("sessions", "optional")
        #expect(facts["ways"].array.count == 8)
        for way in facts["ways"].array {
            let how = way["how"].text
            switch String(how.dropFirst(4)) {
            case "client":
                #expect(way["subject"] == "CN=client", "\(how)")
                #expect(way["verifiedHere"] == true, "\(how)")
                #expect(way["resumed"] == true, "\(how)")
                #expect(way["againSubject"] == "CN=client", "\(how)")
                #expect(way["againVerified"] == true, "\(how)")
                #expect(way["againVerifiedHere"] == false, "\(how)")
            case "None":
                #expect(way["subject"] == "", "\(how)")
                #expect(way["resumed"] == true, "\(how)")
                #expect(way["againVerified"] == false, "\(how)")
            case "stranger":
                // One that does not hold is refused, also where none is needed.
                #expect(way["error"] == "TLSV1_ALERT_UNKNOWN_CA", "\(how)")
            default:
                #expect(way["error"] == "SSLV3_ALERT_CERTIFICATE_EXPIRED", "\(how)")
            }
        }
        try await fixture.stop()
    }

    @Test("T5: The first tickets after the start are under keys that nobody can guess; without randomness no start")
    func firstKeys() async throws {
        let fixture = try await Fixture()
        let facts = try await fixture.client("sessions", "zero")
        #expect(facts["tickets"] == 16)
        #expect(facts["opened"] == 0)
        try await fixture.stop()
        // OpenSSL without its generator of random numbers, as a broken machine would have it.
        let file = try await TestFiles.scratch().appending(path: "openssl.cnf")
        try "openssl_conf=i\n[i]\nrandom=r\n[r]\nrandom=NO-SUCH\n".write(to: file, atomically: true, encoding: .utf8)
        await #expect(throws: TestFailure.self) {
            _ = try await Fixture(environment: ["OPENSSL_CONF": file.path()])
        }
    }

    @Test("T6, T7, S4: Tickets outlive one rotation, deaths and reloads, and are renewed once and not again and again")
    func rotation() async throws {
        let fixture = try await Fixture()
        let companion = try Companion(fixture, "sessions", "kept")
        let resumed = Array(repeating: "resumed", count: 8)
        _ = try await companion.order("keep open.test")
        #expect(try await companion.outcomes("resume open.test") == resumed)
        #expect(try await companion.order("renew")["renewals"] == 0)

        _ = try await companion.order("keep open.test")
        #expect(try await fixture.order("rotate")["ok"] == true)
        #expect(try await companion.outcomes("resume open.test") == resumed)
        // The key before is good for opening, and the ticket of the new key then stays.
        let renewal = try await companion.order("renew")
        #expect(renewal["resumed"] == 10)
        #expect(renewal["renewals"] == 1)

        _ = try await companion.order("keep open.test")
        let old = fixture.workers
        _ = try await companion.order("kill")
        try await eventually(within: 20, "successors") {
            let now = fixture.workers
            return now.count == 2 && now.allSatisfy { !old.contains($0) }
        }
        #expect(try await companion.outcomes("resume open.test") == resumed)
        #expect(try await fixture.reload().allSatisfy { $0["ok"] == true })
        #expect(try await companion.outcomes("resume open.test") == resumed)
        // New processes, by SIGHUP.
        let before = fixture.workers
        kill(fixture.master, SIGHUP)
        try await eventually(within: 20, "a rolling reload") {
            let now = fixture.workers
            return now.count == 2 && now.allSatisfy { !before.contains($0) }
        }
        #expect(try await companion.outcomes("resume open.test") == resumed)

        // Two rotations later nobody has the key, on either worker.
        try await fixture.order("rotate")
        try await fixture.order("rotate")
        #expect(try await companion.outcomes("resume open.test") == Array(repeating: "full", count: 8))
        try await fixture.stop()
    }

    @Test("S4: Of eight workers each resumes the tickets of every other")
    func everywhere() async throws {
        let fixture = try await Fixture(workers: 8)
        let facts = try await fixture.client("sessions", "everywhere", "8")
        for version in ["1.2", "1.3"] {
            #expect(facts["versions"][version]["tried"] == 64)
            #expect(facts["versions"][version]["resumed"] == 64)
        }
        try await fixture.stop()
    }

    @Test("S4: A ticket with one bit changed gets a full handshake", .timeLimit(.minutes(1)))
    func tampered() async throws {
        let fixture = try await Fixture()
        let facts = try await fixture.client("sessions", "tampered")
        #expect(facts["control"] == 2)
        #expect(facts["full"] == 20)
        #expect(facts["reused"] == 0)
        #expect(facts["failed"] == 0)
        try await fixture.stop()
    }

    @Test("S4: openssl s_time and gnutls-cli resume too")
    func otherClients() async throws {
        let fixture = try await Fixture()
        for version in ["-tls1_2", "-tls1_3"] {
            let time = try await Command.run(
                ["openssl", "s_time", "-connect", "127.0.0.1:\(fixture.port)", "-reuse", "-time", "1", version]
            )
            let count = time.output.firstMatch(of: /(\d+) connections in \d+ real seconds/).flatMap { Int($0.1) } ?? 0
            #expect(count > 20, "\(time.all)")
        }
        // s_time counts TLS 1.2 sessions that resume with `r`; what the server saw is what counts.
        #expect(try await fixture.total("resumed") > 20)
        for version in ["1.2", "1.3"] {
            let gnutls = try await Command.run(
                [
                    "gnutls-cli", "--resume", "--waitresumption", "--x509cafile", TestFiles.path("roots.pem"),
                    "--port", "\(fixture.port)", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS\(version)", "localhost",
                ],
                input: "who\nclose\n"
            )
            #expect(gnutls.output.contains("This is a resumed session"), "\(gnutls.all)")
        }
        try await fixture.stop()
    }

    @Test("T15: When a name is gone its tickets are of no use, and the name is refused")
    func vanishedName() async throws {
        var settings = Self.hosts
        settings["refuseUnknownNames"] = true
        let fixture = try await Fixture(settings)
        let companion = try Companion(fixture, "sessions", "kept")
        _ = try await companion.order("keep vanish.test")
        #expect(try await companion.outcomes("resume vanish.test") == Array(repeating: "resumed", count: 8))
        try fixture.change(["refuseUnknownNames": true])
        #expect(try await fixture.reload().allSatisfy { $0["ok"] == true })
        let outcomes = try await companion.outcomes("resume vanish.test")
        #expect(outcomes == Array(repeating: "TLSV1_UNRECOGNIZED_NAME", count: 8))
        #expect(try await companion.outcomes("resume open.test").allSatisfy { $0 == "full" })
        try await fixture.stop()
    }

    @Test("T32: Made-up ticket names aim at nobody")
    func forgedNames() async throws {
        let fixture = try await Fixture()
        let facts = try await fixture.client("sessions", "forged")
        #expect(facts["served"].array == [40, 40])
        #expect(facts["moved"] == 0)
        #expect(try await fixture.total("ticketsUnknown") == 80)
        try await fixture.stop()
    }

    @Test(
        "S4: Without keys from the master there are no tickets, and nobody is turned away",
        arguments: ["off", "random"]
    )
    func withoutMaster(_ source: String) async throws {
        let fixture = try await Fixture(["ticketKeys": .string(source)], workers: 1)
        let companion = try await Command.openssl(fixture, "-tls1_3", "-ign_eof", input: "who\nclose\n")
        #expect(companion.output.contains("\"slot\":0"))
        #expect(try await fixture.total("ticketsIssued", workers: 1) == (source == "off" ? 0 : 1))
        try await fixture.stop()
    }
}
