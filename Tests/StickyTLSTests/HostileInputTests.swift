import CTLS
import StickyTLS
import TLSTestSupport
import Testing

@Suite("Hostile and damaged input")
struct HostileInputTests {
    static let context = Result { try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity])) }

    @Test(
        "Plain HTTP is recognised, and its first bytes are given back",
        arguments: ["GET / HTTP/1.1", "GET http://a/ HTTP/1.1", "POST /x HTTP/1.1", "HEAD / HTTP/1.0"]
            + ["PUT /x HTTP/1.1", "OPTIONS * HTTP/1.1", "DELETE /x HTTP/1.1", "PATCH /x HTTP/1.1", "TRACE / HTTP/1.1"]
            + ["CONNECT a:443 HTTP/1.1", "PRI * HTTP/2.0"],
        [Int.max, 1]
    )
    func plainHTTP(request: String, pieces: Int) throws {
        let bytes = Array("\(request)\r\nHost: localhost\r\n\r\n".utf8)
        let server = try TestServer(Self.context.get())
        _ = server.receive(bytes, pieces: pieces)
        let failure = try #require(server.failure)
        #expect(failure.kind == .plainHTTP)
        #expect(failure.head == Array(bytes.prefix(5)))
        #expect(failure.isClientFault)
    }

    @Test("Of plain HTTP nothing but its first bytes is taken, and nothing is answered")
    func plainHTTPConsumed() throws {
        let bytes = Array("GET /path HTTP/1.1\r\n\r\n".utf8)
        var session = try TLSSession(Self.context.get())
        var output = [UInt8](repeating: 0, count: 1000)
        let step = bytes.withUnsafeBytes { bytes in
            output.withUnsafeMutableBytes {
                session.receive(bytes, plaintext: .init(start: nil, count: 0), output: $0)
            }
        }
        guard case .failed(let failure) = step.status else {
            Issue.record("\(step.status)")
            return
        }
        #expect(failure.reason == "http request")
        #expect(step.consumed == failure.head.count)
        #expect(step.output == 0)
    }

    @Test(
        "Other protocols are no TLS",
        arguments: ["SSH-2.0-OpenSSH_9.2\r\n", "EHLO example.org\r\n", "\0\0\0\0\0\0\0"]
    )
    func otherProtocols(text: String) throws {
        let server = try TestServer(Self.context.get())
        _ = server.receive(Array(text.utf8))
        let failure = try #require(server.failure)
        #expect(failure.kind == .notTLS)
        #expect(failure.head == Array(text.utf8.prefix(5)))
    }

    @Test("After a failure every call says so and OpenSSL is left alone")
    func afterFailure() throws {
        let server = try TestServer(Self.context.get())
        _ = server.receive([UInt8](repeating: 0x80, count: 100))
        #expect(server.failure != nil)
        #expect(server.receive([1, 2, 3]).isEmpty)
        #expect(server.failure != nil)
        #expect(server.send([1]).isEmpty)
        #expect(server.failure != nil)
        #expect(server.close().isEmpty)
        guard case .failed = server.endOfInput() else {
            Issue.record("the failure was forgotten")
            return
        }
        #expect(server.info == nil)
    }

    @Test(
        "A changed record is bad_record_mac, and the alert arrives through the smallest buffer",
        arguments: [1, 32_768]
    )
    func changedRecord(outputSize: Int) throws {
        let client = TestClient()
        let server = try TestServer(Self.context.get(), outputSize: outputSize)
        exchange(client, server)
        var record = client.send(pattern(100))
        record[50] ^= 1
        let alert = server.receive(record)
        let failure = try #require(server.failure)
        #expect(failure.kind == .protocolViolation)
        #expect(failure.alert?.name == "bad_record_mac")
        #expect(server.plaintext.isEmpty)
        client.step(alert)
        #expect(client.reason == "sslv3 alert bad record mac")
        #expect(server.info != nil)
    }

    @Test("An alert from the client is named")
    func peerAlert() throws {
        let client = TestClient()
        SSL_set_verify(client.ssl, SSL_VERIFY_PEER, nil)
        let server = try TestServer(Self.context.get())
        exchange(client, server)
        let failure = try #require(server.failure)
        #expect(failure.kind == .peerAlert)
        #expect(failure.alert?.name == "unknown_ca")
        #expect(failure.alert?.wasSent == false)
        #expect(failure.reason == "tlsv1 alert unknown ca")
    }

    @Test("Errors that others leave in OpenSSL's queue are not taken for the connection's")
    func poisonedQueue() throws {
        let client = TestClient()
        let server = try TestServer(Self.context.get())
        var toServer = client.step()
        while !toServer.isEmpty {
            var answer: [UInt8] = []
            for byte in toServer {
                poison()
                answer += server.receive([byte])
            }
            poison()
            toServer = client.step(answer)
        }
        #expect(server.handshakeCompletions == 1)
        poison()
        let answer = server.send(pattern(1000))
        poison()
        client.step(answer)
        #expect(client.takeReceived() == pattern(1000))
        for byte in client.send([1, 2, 3]) {
            poison()
            _ = server.receive([byte])
        }
        #expect(server.takePlaintext() == [1, 2, 3])
        poison()
        #expect(!server.close().isEmpty)
    }

    @Test("A failure leaves nothing in OpenSSL's queue")
    func cleanQueue() throws {
        let server = try TestServer(Self.context.get())
        _ = server.receive(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        #expect(ERR_peek_error() == 0)
    }

    @Test("A ClientHello with random changes never traps, hangs or grows without end", arguments: 0..<4)
    func mutatedHello(seed: UInt64) throws {
        let context = try Self.context.get()
        var random = SplitMix(state: seed)
        let hello = TestClient(.init(applicationProtocols: ["h2", "http/1.1"], serverName: "fuzz.example")).step()
        for _ in 0..<1500 {
            var bytes = hello
            for _ in 0...Int(random.next() % 4) {
                let position = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 5 {
                case 0: bytes[position] ^= 1 << UInt8(random.next() % 8)
                case 1: bytes[position] = UInt8(truncatingIfNeeded: random.next())
                case 2: bytes.remove(at: position)
                case 3: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: position)
                default: bytes.removeSubrange(position..<min(position + Int(random.next() % 40), bytes.count))
                }
                if bytes.isEmpty { bytes = [0] }
            }
            let server = try TestServer(context, outputSize: 1 + Int(random.next() % 3000))
            let sent = server.receive(bytes, pieces: 1 + Int(random.next() % 700))
            #expect(sent.count < 10_000)
            #expect(server.handshakeCompletions == 0)
            #expect(server.calls < 20_000)
        }
    }

    @Test("Random changes after the handshake end in a failure and never in wrong data", arguments: 0..<2)
    func mutatedRecords(seed: UInt64) throws {
        let context = try Self.context.get()
        var random = SplitMix(state: seed &+ 1000)
        for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
            for _ in 0..<60 {
                let client = TestClient(.init(maximumVersion: version))
                let server = try TestServer(context)
                exchange(client, server)
                var bytes = client.send(pattern(300)) + client.send(pattern(300))
                bytes[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8)
                _ = server.receive(bytes)
                _ = server.endOfInput()
                #expect((pattern(300) + pattern(300)).starts(with: server.plaintext))
                #expect(server.plaintext.count < 600)
            }
        }
    }

    private func poison() {
        // Any failing call will do.
        _ = EVP_CIPHER_fetch(nil, "no such cipher", nil)
        #expect(ERR_peek_error() != 0)
    }
}

/// A small generator that gives the same numbers on each run (SplitMix64).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
