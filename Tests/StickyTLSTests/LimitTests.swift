import CTLS
import TLSTestSupport
import Testing

@testable import StickyTLS

@Suite("Limits and counters (T20)")
struct LimitTests {
    static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

    private func context(
        _ clock: TestClock = TestClock(),
        _ change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> TLSContext {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.clock = clock.clock
        change(&configuration)
        return try TLSContext(configuration)
    }

    @Test("A client may ask for new keys 100 times in a second, and not more")
    func keyUpdates() throws {
        let clock = TestClock()
        let context = try context(clock)
        let dialogue = try Dialogue(context)
        for _ in 0..<3 {
            for _ in 0..<100 { dialogue.client.step(dialogue.server.receive(dialogue.client.updateKeys())) }
            #expect(dialogue.server.failure == nil)
            clock.advance(1)
        }
        _ = dialogue.server.receive(dialogue.client.send([1, 2, 3]))
        #expect(dialogue.server.takePlaintext() == [1, 2, 3])
        for _ in 0..<110 { dialogue.client.step(dialogue.server.receive(dialogue.client.updateKeys())) }
        #expect(dialogue.server.failure?.kind == .limit)
        #expect(dialogue.server.failure?.reason == "too many key updates")
        #expect(context.counters.snapshot.keyUpdates == 401)
    }

    @Test("A flood of key updates in one piece stops at the limit, not at its end")
    func keyUpdateFlood() throws {
        let context = try context()
        let dialogue = try Dialogue(context)
        var flood: [UInt8] = []
        for _ in 0..<2000 { flood += dialogue.client.updateKeys() }
        _ = dialogue.server.receive(flood)
        #expect(dialogue.server.failure?.reason == "too many key updates")
        #expect(context.counters.snapshot.keyUpdates == 101)
    }

    @Test("A hello beyond the limit is refused before it is read whole")
    func helloSize() throws {
        let context = try context { $0.maximumClientHelloSize = 8000 }
        let server = try TestServer(context)
        // A record of 16 kB that begins a hello of 100 kB.
        let record: [UInt8] = [0x16, 3, 1, 0x40, 0, 1, 1, 0x86, 0xA0, 3, 3] + [UInt8](repeating: 0, count: 16_378)
        let answer = server.receive(record, pieces: 1000)
        #expect(answer == [0x15, 3, 3, 0, 2, 2, 47])
        #expect(server.failure?.reason == "client hello too large")
        #expect(try Dialogue(context).isOpen)
        #expect(context.counters.snapshot.failuresByReason == ["client hello too large": 1])
    }

    @Test("Empty records and warnings without end close the connection", arguments: versions)
    func floods(version: CInt) throws {
        let context = try context()
        for record: [UInt8] in [
            [0x16, 3, 1, 0, 0], [0x15, 3, 1, 0, 2, 1, 0], [0x15, 3, 1, 0, 2, 1, 90], [0x14, 3, 3, 0, 1, 1],
        ] {
            let server = try TestServer(context)
            for _ in 0..<100 where server.failure == nil { _ = server.receive(record) }
            #expect(server.failure != nil || server.hasPeerClosed, "\(record)")
        }
    }

    @Test("Handshakes in progress are counted, bounded, and the count comes back to nothing")
    func handshakesInProgress() throws {
        let context = try context { $0.maximumHandshakesInProgress = 3 }
        do {
            let waiting = try (0..<3).map { _ in try TestServer(context) }
            #expect(context.handshakesInProgress == 3)
            let error = #expect(throws: TLSError.self) { try TestServer(context) }
            #expect(error?.code == .tooManyHandshakes)
            #expect(context.counters.snapshot.handshakesRefused == 1)
            // One completes, one fails, one is given up.
            exchange(TestClient(), waiting[0])
            #expect(context.handshakesInProgress == 2)
            _ = waiting[1].receive(Array("nonsense".utf8))
            #expect(context.handshakesInProgress == 1)
        }
        #expect(context.handshakesInProgress == 0)
        #expect(try Dialogue(context).isOpen)
    }

    @Test("Everything is counted")
    func counters() throws {
        let context = try context()
        let first = try Dialogue(context)
        _ = try Dialogue(context, session: first.session)
        _ = try Dialogue(context, version: TLS1_2_VERSION)
        _ = try Dialogue(context) { $0.applicationProtocols = ["other"] }
        _ = try TestServer(context).receive(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        _ = first.server.endOfInput()
        let counts = context.counters.snapshot
        #expect(counts.fullHandshakes == 2)
        #expect(counts.handshakeTimes.count == counts.fullHandshakes + counts.resumedHandshakes)
        #expect(counts.resumedHandshakes == 1)
        #expect(counts.ticketsAccepted == 1)
        #expect(counts.ticketsIssued == 3)
        #expect(counts.handshakesTLS12 == 1)
        #expect(counts.handshakesTLS13 == 2)
        #expect(counts.failedHandshakes == 2)
        #expect(counts.failuresByReason == ["no application protocol": 1, "http request": 1])
        #expect(counts.plainHTTP == 1)
        #expect(counts.truncated == 1)
        #expect(counts.groups == ["X25519": 3])
        #expect(counts.ciphers[0x1301] == 2)
        #expect(counts.missingNames == 0 && counts.unknownNames == 0)
    }
}
