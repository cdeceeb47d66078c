import CTLS
import StickyTLS
import TLSTestSupport
import Testing

@Suite("Handshakes")
struct HandshakeTests {
    @Test("TLS 1.3 with ECDSA says what was agreed on and carries data")
    func handshake() throws {
        let context = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let client = TestClient()
        let server = try TestServer(context)
        #expect(server.info == nil)
        exchange(client, server)
        #expect(client.handshakeDone)
        #expect(server.handshakeCompletions == 1)
        let info = try #require(server.info)
        #expect(info.version == .v1_3)
        #expect(info.cipher == "TLS_AES_128_GCM_SHA256")
        #expect(info.group == "X25519")
        #expect(info.serverName == "localhost")
        #expect(info.applicationProtocol == nil)
        #expect(!info.isResumed)
        _ = server.receive(client.send(Array("ping".utf8)))
        #expect(server.takePlaintext() == Array("ping".utf8))
        client.step(server.send(Array("pong".utf8)))
        #expect(client.takeReceived() == Array("pong".utf8))
    }

    @Test(
        "Both versions work with both kinds of key",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION],
        [TestIdentity.Kind.ecdsa, .rsa]
    )
    func versionsAndKeys(version: CInt, kind: TestIdentity.Kind) throws {
        let identity = kind == .rsa ? TestIdentity.rsa : TestIdentity.ecdsa
        let context = try TLSContext(TLSConfiguration(identities: [identity.identity]))
        let client = TestClient(.init(minimumVersion: version, maximumVersion: version))
        let server = try TestServer(context)
        exchange(client, server)
        let info = try #require(server.info)
        #expect(info.version == (version == TLS1_2_VERSION ? .v1_2 : .v1_3))
        if version == TLS1_2_VERSION {
            #expect(info.cipher == "ECDHE-\(kind == .rsa ? "RSA" : "ECDSA")-AES128-GCM-SHA256")
        }
        #expect(info.group == "X25519")
        _ = server.receive(client.send([1, 2, 3]))
        #expect(server.takePlaintext() == [1, 2, 3])
    }

    @Test("One context serves RSA and ECDSA, each to the clients that can verify it")
    func twoIdentities() throws {
        let context = try TLSContext(
            TLSConfiguration(identities: [TestIdentity.rsa.identity, TestIdentity.ecdsa.identity])
        )
        for (algorithms, type) in [("ECDSA+SHA256", EVP_PKEY_EC), ("RSA-PSS+SHA256", EVP_PKEY_RSA)] {
            let client = TestClient(.init(signatureAlgorithms: algorithms))
            let server = try TestServer(context)
            exchange(client, server)
            #expect(client.handshakeDone)
            let certificate = SSL_get1_peer_certificate(client.ssl)
            #expect(EVP_PKEY_get_base_id(X509_get0_pubkey(certificate)) == type)
            X509_free(certificate)
        }
    }

    @Test("A client that only knows P-256 needs no second hello")
    func p256Only() throws {
        let context = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let client = TestClient(.init(groups: "P-256"))
        let server = try TestServer(context)
        let flight = server.receive(client.step())
        #expect(!isHelloRetryRequest(flight))
        exchangeFrom(client, server, flight)
        #expect(server.info?.group == "P-256")
    }

    @Test("A client whose first guess is P-384 is asked again, and keeps its name and protocol")
    func helloRetry() throws {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.applicationProtocols = ["h2", "http/1.1"]
        let context = try TLSContext(configuration)
        let client = TestClient(
            .init(groups: "P-384:P-256", applicationProtocols: ["http/1.1"], serverName: "sni.example")
        )
        let server = try TestServer(context)
        let flight = server.receive(client.step())
        #expect(isHelloRetryRequest(flight))
        exchangeFrom(client, server, flight)
        let info = try #require(server.info)
        #expect(info.group == "P-256")
        #expect(info.serverName == "sni.example")
        #expect(info.applicationProtocol == "http/1.1")
    }

    @Test("The server's order of protocols decides, whatever the client prefers")
    func alpn() throws {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.applicationProtocols = ["h2", "http/1.1"]
        let client = TestClient(.init(applicationProtocols: ["http/1.1", "x", "h2"]))
        let server = try TestServer(TLSContext(configuration))
        exchange(client, server)
        #expect(server.info?.applicationProtocol == "h2")
    }

    @Test(
        "A client without a common protocol is refused with no_application_protocol",
        arguments: [
            TLS1_2_VERSION, TLS1_3_VERSION,
        ]
    )
    func alpnMismatch(version: CInt) throws {
        let context = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let client = TestClient(.init(maximumVersion: version, applicationProtocols: ["smtp", "http/1"]))
        let server = try TestServer(context)
        exchange(client, server)
        let failure = try #require(server.failure)
        #expect(failure.kind == .refused)
        #expect(failure.alert?.number == 120)
        #expect(failure.alert?.wasSent == true)
        #expect(failure.alert?.name == "no_application_protocol")
        #expect(failure.reason == "no application protocol")
        #expect(failure.serverName == "localhost")
        #expect(failure.isClientFault)
        #expect(client.reason == "tlsv1 alert no application protocol")
    }

    @Test("A server without protocols ignores the client's offer")
    func alpnOff() throws {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.applicationProtocols = []
        let client = TestClient(.init(applicationProtocols: ["h2"]))
        let server = try TestServer(TLSContext(configuration))
        exchange(client, server)
        let info = try #require(server.info)
        #expect(info.applicationProtocol == nil)
    }

    @Test("The modern preset refuses TLS 1.2 with protocol_version")
    func modern() throws {
        let context = try TLSContext(.modern(identities: [TestIdentity.ecdsa.identity]))
        let client = TestClient(.init(maximumVersion: TLS1_2_VERSION))
        let server = try TestServer(context)
        exchange(client, server)
        let failure = try #require(server.failure)
        #expect(failure.kind == .refused)
        #expect(failure.alert?.name == "protocol_version")
        #expect(failure.reason == "unsupported protocol")
    }

    @Test("A client without a common cipher is refused with handshake_failure")
    func noSharedCipher() throws {
        let context = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let client = TestClient(.init(maximumVersion: TLS1_2_VERSION, cipherList: "AES128-SHA"))
        let server = try TestServer(context)
        exchange(client, server)
        let failure = try #require(server.failure)
        #expect(failure.kind == .refused)
        #expect(failure.reason == "no shared cipher")
        #expect(failure.alert?.name == "handshake_failure")
        #expect("\(failure)" == "refused: no shared cipher (sent handshake_failure)")
    }

    @Test("A client that offers only CHACHA20 first gets it")
    func prioritizesChaCha() throws {
        let context = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let client = TestClient()
        SSL_set_ciphersuites(client.ssl, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256")
        let server = try TestServer(context)
        exchange(client, server)
        #expect(server.info?.cipher == "TLS_CHACHA20_POLY1305_SHA256")
    }

    private func isHelloRetryRequest(_ flight: [UInt8]) -> Bool {
        // RFC 8446 4.1.3: a ServerHello with this random; after record header (5), type and length (4), version (2).
        flight.dropFirst(11).starts(with: [0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11])
    }

    private func exchangeFrom(_ client: TestClient, _ server: TestServer, _ flight: [UInt8]) {
        var toServer = client.step(flight)
        while !toServer.isEmpty {
            toServer = client.step(server.receive(toServer))
        }
    }
}
