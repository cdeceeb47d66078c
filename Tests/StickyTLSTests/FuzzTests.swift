import CTLS
import TLSTestSupport
import Testing

@testable import StickyTLS

/// A generator whose numbers depend on its seed alone, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

@Suite("Random input, repeatable")
struct FuzzTests {
    /// Changes, drops, doubles or inserts a few bytes.
    private func mutate(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
            case 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
            case 2: bytes.removeSubrange(place..<min(place + Int.random(in: 1...20, using: &generator), bytes.count))
            case 3: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
            default: bytes = Array(bytes[..<place])
            }
        }
        return bytes
    }

    @Test("Mutated handshakes and data never trap a session, and it ends or waits")
    func sessions() throws {
        var generator = SeededGenerator(1)
        let hosts = TestIdentity(.ecdsa, names: "DNS:a.test,DNS:*.b.test")
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity, hosts.identity])
        configuration.unknownNames = .refuse
        configuration.maximumKeyUpdatesPerSecond = 5
        let context = try TLSContext(configuration)
        let names = ["localhost", "a.test", "x.b.test", "no.test", nil]
        for round in 0..<600 {
            let version = round % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION
            let client = TestClient(.init(maximumVersion: version, serverName: names[round % names.count]))
            let server = try TestServer(context, outputSize: Int.random(in: 1...4000, using: &generator))
            let pieces = Int.random(in: 1...600, using: &generator)
            var toServer = client.step()
            let victim = Int.random(in: 0...3, using: &generator)
            for flight in 0..<4 where server.failure == nil {
                if flight == victim { toServer = mutate(toServer, &generator) }
                toServer = client.step(server.receive(toServer, pieces: pieces))
                if toServer.isEmpty, client.handshakeDone { toServer = client.send([1, 2, 3]) }
            }
            _ = server.endOfInput()
            _ = server.close()
        }
        #expect(context.handshakesInProgress == 0)
        #expect(try Dialogue(context).isOpen)
    }

    @Test("Mutated files never trap, and are taken or refused with an error of ours")
    func files() throws {
        var generator = SeededGenerator(2)
        let authority = TestIdentity(.ecdsa, names: nil, subject: "authority", isAuthority: true)
        let leaf = TestIdentity(.ecdsa, by: authority)
        let staple = authority.ocspResponse(for: leaf, until: 1000)
        let list = authority.revocationList([leaf])
        let ring = try TicketKeyRing(now: 0).rotated(now: 1).encoded
        let folder = try TemporaryFolder()
        var taken = 0
        func attempt(_ body: () throws -> Void) {
            do {
                try body()
                taken += 1
            } catch {
                #expect(error is TLSError)
            }
        }
        for _ in 0..<300 {
            attempt {
                let identity = TLSIdentity(
                    certificatePEM: mutate(leaf.certificatePEM, &generator),
                    privateKeyPEM: mutate(leaf.privateKeyPEM, &generator)
                )
                try identity.validate()
            }
            attempt {
                var identity = leaf.identity
                identity.ocspResponse = TLSFile(bytes: mutate(staple, &generator))
                try identity.validate()
            }
            attempt {
                var clients = TLSClientCertificates.required(
                    authorities: [TLSFile(bytes: mutate(authority.certificatePEM, &generator))]
                )
                clients.revocationLists = [TLSFile(bytes: mutate(list, &generator))]
                _ = try ClientPolicy(clients, files: TLSFileReader())
            }
            attempt { _ = try TicketKeyRing(encoded: mutate(ring, &generator)) }
            attempt {
                let base64 = Array("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2\n".utf8)
                let file = try folder.file("keys", mutate(base64 + base64, &generator))
                _ = try TicketKeys.haproxyFile(file)
            }
            attempt {
                let size = [47, 48, 80, 81].randomElement(using: &generator) ?? 48
                let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
                _ = try TicketKeys.file(folder.file("keys", bytes))
            }
            _ = TLSFileShare.decode(mutate([1, 0, 0, 0, 97, 3, 0, 0, 0, 1, 2, 3], &generator))
            let hello = mutate([0, 9, 0, 0, 6] + Array("a.test".utf8), &generator)
            _ = hello.withUnsafeBufferPointer { ServerName(extension: $0) }
            let request = mutate(Array("GET /x HTTP/1.1\r\nHost: a.test:80\r\n\r\n".utf8), &generator)
            let answer = PlainHTTPAnswer.answer(to: request) { _ in true }
            #expect(answer.count < 9000)
        }
        #expect(taken > 0)
    }
}
