import Foundation
import TestSupport
import Testing

@Suite("Clients that no server likes", .serialized)
struct AbuseTests {
    @Test(
        "T8: Failures of others do not touch a connection, between any two of its bytes",
        arguments: ["stock", "lean", "threads"]
    )
    func errorQueue(_ transport: String) async throws {
        let fixture = try await Fixture([:], ["transport": .string(transport)], workers: 1)
        let facts = try await fixture.client("abuse", "queue")
        #expect(facts["failures"].int > 80)
        #expect(facts["good"] == 40)
        #expect(try await fixture.total("failed", workers: 1) > 40)
        try await fixture.stop()
    }

    @Test("T9: Answers arrive whole through tiny buffers", arguments: ["stock", "lean", "threads"])
    func tinyBuffers(_ transport: String) async throws {
        let fixture = try await Fixture([:], ["transport": .string(transport), "sendBuffer": 4096], workers: 1)
        let facts = try await fixture.client("abuse", "slow-readers")
        #expect(facts["whole"] == 6)
        #expect(facts["clean"] == 6)
        try await fixture.stop()
    }

    @Test("T10: Handshakes that stand still use no CPU", arguments: ["stock", "lean"])
    func idleHandshakes(_ transport: String) async throws {
        let fixture = try await Fixture([:], ["transport": .string(transport)], workers: 1)
        let facts = try await fixture.client("abuse", "idle")
        #expect(facts["waiting"] == 40)
        // Of 2 s; a spin would use them all.
        #expect(facts["cpu"].number < 0.3)
        try await fixture.stop()
    }

    @Test("T11: A client that asks for new keys and never reads harms nobody", arguments: ["stock", "lean"])
    func deafClient(_ transport: String) async throws {
        let fixture = try await Fixture(
            ["maximumKeyUpdates": 100_000],
            ["transport": .string(transport)],
            workers: 1
        )
        let facts = try await fixture.client("abuse", "deaf")
        #expect(facts["sent"].int > 50)
        #expect(facts["healthy"].int > 3)
        #expect(facts["cpu"].number < 1)
        #expect(facts["slowest"].number < 5)
        try await fixture.stop()
    }

    @Test("T12: 1,000 clients that ask and leave at once are all heard, and no worker dies of them")
    func sendAndClose() async throws {
        let fixture = try await Fixture(workers: 1)
        let workers = fixture.workers
        _ = try await fixture.client("abuse", "send-and-close", "1000")
        // The 1,001st is the client's own first question.
        try await eventually(within: 20, "all are heard") {
            try await fixture.total("questions", workers: 1) == 1001
        }
        // s_client -quiet ends with its input: it sends, says close_notify and goes.
        for _ in 0..<10 {
            let client = try await Command.openssl(fixture, "-quiet", "-no_ign_eof", input: "who\n")
            #expect(client.status == 0)
        }
        try await eventually(within: 20, "these too") { try await fixture.total("questions", workers: 1) == 1011 }
        #expect(fixture.workers == workers)
        try await fixture.stop()
    }

    @Test("T19: Renegotiation is refused, also under a name with a context of its own")
    func renegotiation() async throws {
        let fixture = try await Fixture(["hosts": .array([TestFiles.host("vanish")])], workers: 1)
        let workers = fixture.workers
        let facts = try await fixture.client("abuse", "renegotiate")
        #expect(facts["open.test"] == "no renegotiation")
        #expect(facts["vanish.test"] == "no renegotiation")
        #expect(fixture.workers == workers)
        let after = try await Command.openssl(fixture, "-ign_eof", input: "who\nclose\n")
        #expect(after.output.contains("\"slot\":0"))
        try await fixture.stop()
    }

    @Test("T20: A flood of KeyUpdates is cut off at the limit, and others are served")
    func keyUpdates() async throws {
        let fixture = try await Fixture(workers: 1)
        let facts = try await fixture.client("abuse", "updates")
        #expect(facts["sameWorker"] == true)
        #expect(facts["cpu"].number < 2)
        // 100 a second, and no more were looked at: the rest was thrown away unread.
        #expect((100...110).contains(try await fixture.total("keyUpdates", workers: 1)))
        try await fixture.stop()
    }

    @Test("T20: Client chains are taken in pieces, but not without end")
    func clientChains() async throws {
        let fixture = try await Fixture([
            "hosts": .array([TestFiles.host("mtls", clients: TestFiles.clients("required"))])
        ])
        for version in ["-tls1_2", "-tls1_3"] {
            let pieces = try await Command.openssl(
                fixture,
                name: "mtls.test",
                version,
                "-cert",
                TestFiles.path("client.pem"),
                "-key",
                TestFiles.path("client-key.pem"),
                "-max_send_frag",
                "512",
                "-ign_eof",
                input: "who\nclose\n"
            )
            #expect(pieces.output.contains("\"subject\":\"CN=client\""), "\(pieces.all)")
            let long = try await Command.run([
                "python3", Command.script("longchain"), "\(fixture.port)", version == "-tls1_2" ? "1.2" : "1.3",
            ])
            #expect(long.output.contains("\"error\""), "\(long.all)")
            #expect(!long.output.contains("subject"), "\(long.all)")
        }
        let reasons = fixture.standardError.text
        #expect(reasons.contains("excessive message size"), "\(reasons)")
        try await fixture.stop()
    }

    @Test(
        "T31, S1: 400 silent, trickling and stuck clients are closed at the deadline, and a healthy one does not notice",
        arguments: ["stock", "lean"]
    )
    func stalled(_ transport: String) async throws {
        let fixture = try await Fixture(["handshakeDeadline": 2], ["transport": .string(transport)])
        let facts = try await fixture.client("abuse", "stalled", "400", "2")
        #expect(facts["closed"] == 400)
        #expect(facts["early"] == 0)
        // An absolute deadline: whoever trickles gains nothing.
        #expect(facts["slowest"].number < 12)
        #expect(facts["healthy"].int > 3)
        // The promise is 20 ms on a quiet machine. This says only that it does not wait for the deadlines of others.
        #expect(facts["p99"].number < 5)
        try await eventually(within: 10, "no handshake is left") {
            try await fixture.total("handshakesInProgress") == 0
        }
        try await fixture.stop()
    }

    @Test(
        "S1: Beyond the limit of handshakes in progress those that wait for longest end: all others are served",
        arguments: ["stock", "lean", "threads"]
    )
    func handshakeLimit(_ transport: String) async throws {
        let fixture = try await Fixture(
            ["handshakeDeadline": 300, "maximumHandshakes": 20],
            ["transport": .string(transport)],
            workers: 1
        )
        let facts = try await Command.client("limit", ["\(fixture.port)", "300", "20"])
        #expect(facts["ended"].int >= 280)
        #expect(facts["established"] == true)
        #expect(facts["unfinished"] == true)
        #expect(facts["after"] == true)
        #expect(try await fixture.total("passedOver", workers: 1) > 0)
        #expect(fixture.standardError.text.contains("20 TLS handshakes are in progress"))
        try await fixture.stop()
    }
}
