import CTLS
import StickyTLS
import TLSTestSupport
import Testing

@Suite("Data through a session")
struct SessionDataTests {
    static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]
    static let context = Result {
        try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity, TestIdentity.rsa.identity]))
    }

    private func connected(
        version: CInt = TLS1_3_VERSION,
        outputSize: Int = 32_768,
        plaintextSize: Int = 16_384
    ) throws -> (client: TestClient, server: TestServer) {
        let client = TestClient(.init(maximumVersion: version))
        let server = try TestServer(Self.context.get(), outputSize: outputSize, plaintextSize: plaintextSize)
        exchange(client, server)
        #expect(server.handshakeCompletions == 1)
        return (client, server)
    }

    @Test("A handshake and data arrive byte by byte", arguments: versions)
    func byteByByte(version: CInt) throws {
        let client = TestClient(.init(maximumVersion: version))
        let server = try TestServer(Self.context.get())
        exchange(client, server, pieces: 1)
        #expect(server.handshakeCompletions == 1)
        _ = server.receive(client.send(pattern(5000)), pieces: 1)
        #expect(server.takePlaintext() == pattern(5000))
    }

    @Test(
        "Any size of output and plaintext buffer works, for the handshake and for bulk data",
        arguments: versions,
        [1, 2, 3, 5, 7, 29, 64, 100, 255, 300]
    )
    func tinyBuffers(version: CInt, size: Int) throws {
        let pair = try connected(version: version, outputSize: size, plaintextSize: size)
        let data = pattern(40_000)
        pair.client.step(pair.server.send(data))
        #expect(pair.client.takeReceived() == data)
        _ = pair.server.receive(pair.client.send(data), pieces: 1000)
        #expect(pair.server.takePlaintext() == data)
        pair.client.step(pair.server.close())
        #expect(pair.client.serverHasClosed)
    }

    @Test("1 MiB goes both ways, whole", arguments: versions)
    func bulk(version: CInt) throws {
        let pair = try connected(version: version)
        let data = pattern(1 << 20)
        _ = pair.server.receive(pair.client.send(data), pieces: 9000)
        #expect(pair.server.takePlaintext() == data)
        pair.client.step(pair.server.send(data))
        #expect(pair.client.takeReceived() == data)
    }

    @Test("With the advised capacity one call sends everything", arguments: versions, [0, 1, 16_384, 16_385, 100_000])
    func capacity(version: CInt, count: Int) throws {
        let pair = try connected(version: version, outputSize: TLSSession.outputCapacity(forPlaintext: count))
        let before = pair.server.calls
        pair.client.step(pair.server.send(pattern(count)))
        #expect(pair.server.calls == before + 1)
        #expect(pair.client.takeReceived() == pattern(count))
    }

    @Test("Ciphertext that does not fit into the plaintext buffer stays with the caller")
    func backPressure() throws {
        let pair = try connected()
        let input = pair.client.send(pattern(100_000))
        var room = [UInt8](repeating: 0, count: 1000)
        let step = input.withUnsafeBytes { input in
            room.withUnsafeMutableBytes { room in
                pair.server.session.receive(input, plaintext: room, output: .init(start: nil, count: 0))
            }
        }
        #expect(step.plaintext == 1000)
        // One record of 16 KiB, not more.
        #expect(step.consumed < 16_500)
        guard case .plaintextFull = step.status else {
            Issue.record("\(step.status)")
            return
        }
    }

    @Test("Nothing is sent before the handshake is complete")
    func earlySend() throws {
        let server = try TestServer(Self.context.get())
        #expect(server.send([1]).isEmpty)
        guard case .wantsInput = server.status else {
            Issue.record("\(server.status)")
            return
        }
        #expect(server.close().isEmpty)
    }

    @Test("The ticket waits in the output of the completed handshake")
    func ticketInOutput() throws {
        let client = TestClient()
        let server = try TestServer(Self.context.get())
        let flight = server.receive(client.step())
        let tickets = server.receive(client.step(flight))
        #expect(server.handshakeCompletions == 1)
        // One record.
        #expect(tickets.count > 100)
        #expect(5 + Int(tickets[3]) << 8 + Int(tickets[4]) == tickets.count)
    }

    @Test("The server's close_notify goes out once, and data still come in", arguments: versions)
    func serverCloses(version: CInt) throws {
        let pair = try connected(version: version)
        pair.client.step(pair.server.close())
        #expect(pair.client.serverHasClosed)
        #expect(pair.server.close().isEmpty)
        _ = pair.server.receive(pair.client.send([1, 2, 3]))
        #expect(pair.server.takePlaintext() == [1, 2, 3])
        #expect(pair.server.send([4]).isEmpty)
        #expect(pair.server.failure?.kind == .misuse)
        _ = pair.server.receive(pair.client.close())
        #expect(pair.server.hasPeerClosed)
    }

    @Test("After the client's close_notify the server still sends everything", arguments: versions)
    func halfClose(version: CInt) throws {
        let pair = try connected(version: version)
        let request = pair.client.send([9, 9])
        // What follows a close_notify is ignored (RFC 8446 section 6.1).
        _ = pair.server.receive(request + pair.client.close() + [1, 2, 3])
        #expect(pair.server.takePlaintext() == [9, 9])
        #expect(pair.server.hasPeerClosed)
        guard case .peerClosed = pair.server.endOfInput() else {
            Issue.record("a close_notify makes the end clean")
            return
        }
        pair.client.step(pair.server.send(pattern(100_000)))
        #expect(pair.client.takeReceived() == pattern(100_000))
        #expect(!pair.server.close().isEmpty)
    }

    @Test("An end without close_notify is a truncation, writes nothing, and sending still works", arguments: versions)
    func truncation(version: CInt) throws {
        let pair = try connected(version: version)
        _ = pair.server.receive(pair.client.send([1]))
        guard case .truncated = pair.server.endOfInput() else {
            Issue.record("not reported")
            return
        }
        pair.client.step(pair.server.send([7]))
        #expect(pair.client.takeReceived() == [7])
        pair.client.step(pair.server.close())
        #expect(pair.client.serverHasClosed)
    }

    @Test("An end during the handshake is a truncation")
    func truncatedHandshake() throws {
        let server = try TestServer(Self.context.get())
        guard case .truncated = server.endOfInput() else {
            Issue.record("not reported")
            return
        }
    }

    @Test("A request for new keys is honoured, whether or not the server is sending", arguments: [16, 32_768])
    func keyUpdate(outputSize: Int) throws {
        let pair = try connected(outputSize: outputSize)
        for round in 0..<10 {
            let answer = pair.server.receive(pair.client.updateKeys() + pair.client.send([UInt8(round)]))
            #expect(pair.server.takePlaintext() == [UInt8(round)])
            pair.client.step(answer + pair.server.send([UInt8(round)]))
            #expect(pair.client.takeReceived() == [UInt8(round)])
            #expect(pair.client.error == SSL_ERROR_NONE)
        }
    }

    @Test("Renegotiation is refused and the connection goes on")
    func renegotiation() throws {
        let pair = try connected(version: TLS1_2_VERSION)
        ERR_clear_error()
        #expect(SSL_renegotiate(pair.client.ssl) == 1)
        _ = ctls_do_handshake(pair.client.ssl)
        let hello = pair.client.step()
        #expect(!hello.isEmpty)
        let answer = pair.server.receive(hello)
        #expect(pair.server.failure == nil)
        pair.client.step(answer)
        #expect(pair.client.reason == "no renegotiation")
    }
}

/// Bytes that show a shift or a gap.
func pattern(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count { bytes += patternPeriod.prefix(count - bytes.count) }
    return bytes
}

private let patternPeriod = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
