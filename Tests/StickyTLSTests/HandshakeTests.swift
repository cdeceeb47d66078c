import CTLS
import StickyTLS
import Testing

@Suite("Handshakes")
struct HandshakeTests {
    @Test("TLS 1.3 with ECDSA says what was agreed on and carries data")
    func handshake() throws {
        let context = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let client = TestClient()
        var server = try TestServer(context)
        exchange(client, &server)
        #expect(client.handshakeDone)
        #expect(server.handshakeCompletions == 1)
        let agreed = server.session.info
        let info = try #require(agreed)
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
}
