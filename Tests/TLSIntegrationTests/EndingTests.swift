import Foundation
import TestSupport
import Testing

@Suite("Ends of connections", .serialized)
struct EndingTests {
    static let transports = ["stock", "lean", "threads"]

    @Test(
        "T25, R9: A big answer and the end reach a slow reader whole, with close_notify and without reset",
        arguments: transports
    )
    func slowReader(_ transport: String) async throws {
        let fixture = try await Fixture([:], ["transport": .string(transport)], workers: 1)
        let facts = try await fixture.client("endings", "slow")
        #expect(facts["ways"].array.count == 10)
        for way in facts["ways"].array {
            for what in ["whole", "clean", "ends"] { #expect(way[what] == 3, "\(what): \(way["how"].text)") }
        }
        try await fixture.stop()
    }

    @Test("T26: A client that ends its direction still gets its answer", arguments: transports)
    func halfClose(_ transport: String) async throws {
        let fixture = try await Fixture([:], ["transport": .string(transport)], workers: 1)
        let facts = try await fixture.client("endings", "half-close")
        #expect(facts["ways"].array.count == 6)
        for way in facts["ways"].array {
            let how = way["how"].text
            // TLS 1.2 would let us drop the answer (RFC 5246 section 7.2.1), but nobody gains by that.
            #expect(way["answer"].text == "received 100000 \(how.hasSuffix("fin") ? "truncated" : "clean")", "\(how)")
            #expect(way["end"] == "close_notify", "\(how)")
        }
        try await fixture.stop()
    }

    @Test("T26: gnutls-cli says close_notify at the end of its input, and hears the answer")
    func gnutls() async throws {
        let fixture = try await Fixture(workers: 1)
        let client = try await Command.run(
            [
                "gnutls-cli", "--x509cafile", TestFiles.path("roots.pem"), "--port", "\(fixture.port)", "localhost",
                "--logfile", "/dev/null",
            ],
            input: "upload\nnine byte"
        )
        #expect(client.output.contains("received 9 clean"), "\(client.all)")
        try await fixture.stop()
    }

    @Test("T27: A stream that ends without close_notify is told apart, and counted", arguments: transports)
    func truncation(_ transport: String) async throws {
        let fixture = try await Fixture([:], ["transport": .string(transport)], workers: 1)
        let facts = try await fixture.client("endings", "truncation")
        #expect(facts["1.2"] == "received 5000 truncated")
        #expect(facts["1.3"] == "received 5000 truncated")
        #expect(try await fixture.total("truncated", workers: 1) == 2)
        try await fixture.stop()
    }

    @Test("T28: Clients that leave while they are answered are no fault of the server's", arguments: transports)
    func leaving(_ transport: String) async throws {
        let fixture = try await Fixture([:], ["transport": .string(transport)], workers: 1)
        let workers = fixture.workers
        let warm = try await Command.openssl(fixture, "-ign_eof", input: "who\nclose\n")
        #expect(warm.output.contains("\"slot\":0"))
        let before = ProcessTree.descriptors(below: fixture.master)
        _ = try await fixture.client("endings", "leave")
        try await eventually(within: 20, "the descriptors return to \(before)") {
            ProcessTree.descriptors(below: fixture.master) <= before
        }
        #expect(fixture.workers == workers)
        // `stop` looks for lines at the level error.
        try await fixture.stop()
    }
}
