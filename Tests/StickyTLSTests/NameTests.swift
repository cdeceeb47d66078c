import CTLS
import TLSTestSupport
import Testing

@testable import StickyTLS

@Suite("Names and certificates (T1, T13-T19)")
struct NameTests {
    static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]
    static let a = TestIdentity(.ecdsa, names: "DNS:a.test,DNS:www.a.test")
    static let aRSA = TestIdentity(.rsa, names: "DNS:a.test")
    static let b = TestIdentity(.ecdsa, names: "DNS:b.test")
    static let wild = TestIdentity(.ecdsa, names: "DNS:*.wild.test")
    static let wildRSA = TestIdentity(.rsa, names: "DNS:*.wild.test")
    static let special = TestIdentity(.ecdsa, names: "DNS:special.wild.test")
    static let authority = TestIdentity(.ecdsa, names: nil, subject: "authority", isAuthority: true)

    private func context(
        _ identities: [TestIdentity] = [a, aRSA, b, wild, special, wildRSA],
        _ change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> TLSContext {
        var configuration = TLSConfiguration(identities: identities.map(\.identity))
        change(&configuration)
        return try TLSContext(configuration)
    }

    /// One host that anyone may use, and one that needs a client certificate.
    private func mixed(_ change: (inout TLSConfiguration) -> Void = { _ in }) throws -> TLSContext {
        try context([Self.a, Self.aRSA]) { configuration in
            var clients = TLSClientCertificates.required(authorities: [TLSFile(bytes: Self.authority.certificatePEM)])
            clients.ticketCount = 1
            configuration.hosts = [TLSHost(identities: [Self.b.identity], clientCertificates: clients)]
            change(&configuration)
        }
    }

    @Test(
        "Each name gets its certificate: exact before wildcard, one label, any case, with or without the last dot",
        arguments: [
            ("a.test", a), ("www.a.test", a), ("b.test", b), ("B.TEST", b), ("b.test.", b),
            ("x.wild.test", wild), ("X.Wild.Test.", wild), ("special.wild.test", special),
            ("SPECIAL.wild.test", special),
            // No match, so the default.
            ("wild.test", a), ("x.y.wild.test", a), ("xwild.test", a), ("unknown.test", a), ("127.0.0.1", a),
        ] as [(String, TestIdentity)]
    )
    func selection(name: String, expected: TestIdentity) throws {
        let dialogue = try Dialogue(context(), serverName: name)
        #expect(dialogue.isOpen)
        #expect(dialogue.client.serverCertificate == expected.certificatePEM)
    }

    @Test("A name that is no name is unknown, and an address or nothing is no name")
    func parsing() {
        func parse(_ name: [UInt8]) -> ServerName {
            let count = name.count
            let bytes: [UInt8] = [
                UInt8((count + 3) >> 8), UInt8((count + 3) & 255), 0, UInt8(count >> 8), UInt8(count & 255),
            ]
            return (bytes + name).withUnsafeBufferPointer { ServerName(extension: $0) }
        }
        #expect(parse(Array("A.Test.".utf8)) == .name("a.test"))
        #expect(parse(Array("localhost".utf8)) == .name("localhost"))
        for text in [
            "a.test\0.evil", ".wild.test", "a..test", "..", ".", "a b", "ä.test", String(repeating: "a", count: 254),
        ] {
            #expect(parse(Array(text.utf8)) == .unusable, "\(text)")
        }
        for text in ["10.0.0.1", "::1", "[::1]", "1.2.3.4."] {
            #expect(parse(Array(text.utf8)) == (text.hasSuffix(".") ? .name("1.2.3.4") : .absent), "\(text)")
        }
        for bytes: [UInt8] in [
            [], [0], [0, 3, 0, 0, 1], [0, 4, 0, 0, 2, 97], [0, 4, 1, 0, 1, 97], [0, 9, 0, 0, 1, 97],
        ] {
            #expect(bytes.withUnsafeBufferPointer { ServerName(extension: $0) } == .unusable)
        }
    }

    @Test("Wildcards stand for one whole label")
    func wildcards() throws {
        let table = try context().current.hosts
        #expect(table.find("x.wild.test") != nil)
        for name in ["wild.test", ".wild.test", "a.b.wild.test", "", "test", "*.test"] {
            #expect(table.find(name) == nil)
        }
        #expect(table.names == ["a.test", "b.test", "special.wild.test", "www.a.test", "*.wild.test"])
    }

    @Test("T17: clients of RSA and of ECDSA each get theirs, also when only the wildcard has it", arguments: versions)
    func keyKinds(version: CInt) throws {
        let context = try context()
        func certificate(_ name: String, _ algorithms: String) throws -> [UInt8]? {
            try Dialogue(context, version: version, serverName: name) { options in
                options.signatureAlgorithms = algorithms
                if version == TLS1_2_VERSION {
                    options.cipherList =
                        algorithms.hasPrefix("RSA") ? "ECDHE-RSA-AES128-GCM-SHA256" : "ECDHE-ECDSA-AES128-GCM-SHA256"
                }
            }.client.serverCertificate
        }
        let rsa = "RSA-PSS+SHA256:RSA+SHA256"
        #expect(try certificate("a.test", rsa) == Self.aRSA.certificatePEM)
        #expect(try certificate("a.test", "ECDSA+SHA256") == Self.a.certificatePEM)
        #expect(try certificate("x.wild.test", rsa) == Self.wildRSA.certificatePEM)
        #expect(try certificate("x.wild.test", "ECDSA+SHA256") == Self.wild.certificatePEM)
        #expect(try certificate("special.wild.test", rsa) == Self.wildRSA.certificatePEM)
        #expect(try certificate("special.wild.test", "ECDSA+SHA256") == Self.special.certificatePEM)
        #expect(try certificate("b.test", rsa) == nil)
    }

    @Test("T16: an unknown name is refused with a fatal alert 112 where that is wanted", arguments: versions)
    func strict(version: CInt) throws {
        let context = try context { $0.unknownNames = .refuse }
        let client = TestClient(.init(maximumVersion: version, serverName: "unknown.test"))
        let server = try TestServer(context)
        let answer = server.receive(client.step())
        #expect(answer.count == 7 && answer[0] == 0x15)
        #expect(Array(answer.suffix(2)) == [2, 112])
        #expect(server.failure?.kind == .unknownName)
        #expect(server.failure?.serverName == "unknown.test")
        #expect(server.failure?.alert?.name == "unrecognized_name")
        #expect(try Dialogue(context, version: version, serverName: "x.wild.test").isOpen)
        #expect(try Dialogue(context, version: version, serverName: nil).isOpen)
        #expect(context.counters.snapshot.unknownNames == 1)
        #expect(context.counters.snapshot.missingNames == 1)
    }

    @Test("A client without a name is refused where that is wanted")
    func missingName() throws {
        let context = try context { $0.missingName = .refuse }
        #expect(try !Dialogue(context, serverName: nil).isOpen)
        #expect(try Dialogue(context, serverName: "unknown.test").isOpen)
    }

    @Test(
        "T1: a session of one name does not resume under another, nor does one without a certificate",
        arguments: versions
    )
    func crossNames(version: CInt) throws {
        let context = try mixed()
        let open = try Dialogue(context, version: version, serverName: "a.test")
        let session = try #require(open.session)
        #expect(
            try #require(Dialogue(context, version: version, serverName: "a.test", session: session).info).isResumed
        )
        // A host of another policy: the certificate is demanded.
        let closed = try Dialogue(context, version: version, serverName: "b.test", session: session)
        #expect(!closed.isOpen)
        #expect(closed.server.failure?.kind == .clientCertificate)
        // A name of the same host and policy, and one that gets the default.
        for name in ["www.a.test", "unknown.test"] {
            let other = try Dialogue(context, version: version, serverName: name, session: session)
            #expect(try !#require(other.info).isResumed)
        }
    }

    @Test("T1: the same on another worker with the same keys", arguments: versions)
    func crossWorkers(version: CInt) throws {
        let keys = try TicketKeyRing(now: 0)
        let workers = try (0..<2).map { slot in
            let context = try mixed { $0.ticketKeys = .master }
            try context.useTicketKeys(keys, slot: slot)
            return context
        }
        let session = try #require(Dialogue(workers[0], version: version, serverName: "a.test").session)
        #expect(
            try #require(Dialogue(workers[1], version: version, serverName: "a.test", session: session).info).isResumed
        )
        #expect(try !Dialogue(workers[1], version: version, serverName: "b.test", session: session).isOpen)
    }

    @Test("T13: however the hello is cut, name and policy are the same", arguments: versions)
    func splitHello(version: CInt) throws {
        let context = try mixed()
        for pieces in [1, 2, 3, 7, 50, 200] {
            let open = try Dialogue(context, version: version, serverName: "a.test", pieces: pieces)
            #expect(open.isOpen)
            #expect(open.client.serverCertificate == Self.a.certificatePEM)
            let closed = try Dialogue(context, version: version, serverName: "b.test", pieces: pieces)
            #expect(closed.server.failure?.kind == .clientCertificate)
        }
    }

    @Test("T13: a hello that is cut at each byte, over two records or one byte a record, is refused as a whole one is")
    func splitRecords() throws {
        let context = try mixed { $0.unknownNames = .refuse }
        func verdict(_ records: [UInt8], _ client: TestClient) throws -> (TLSFailure.Kind?, String?) {
            let server = try TestServer(context)
            var toServer = records
            while !toServer.isEmpty { toServer = client.step(server.receive(toServer)) }
            return (server.failure?.kind, server.failure?.serverName)
        }
        func record(_ bytes: some Collection<UInt8>) -> [UInt8] {
            [0x16, 3, 1, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
        }
        let length = TestClient(.init(serverName: "b.test")).step().count - 5
        for cut in stride(from: 1, to: length, by: 1) {
            let client = TestClient(.init(serverName: "b.test"))
            let message = client.step().dropFirst(5)
            let result = try verdict(record(message.prefix(cut)) + record(message.dropFirst(cut)), client)
            #expect(result == (.clientCertificate, "b.test"), "cut at \(cut)")
        }
        for (name, kind) in [("b.test", TLSFailure.Kind.clientCertificate), ("c.test", .unknownName)] {
            let client = TestClient(.init(serverName: name))
            let message = client.step().dropFirst(5)
            #expect(try verdict(message.flatMap { record([$0]) }, client) == (kind, name))
        }
    }

    @Test("T14: a retried hello keeps name and policy, and one that changes the name is refused")
    func retry() throws {
        let context = try mixed { $0.groups = ["P-256"] }
        let groups = "X25519:P-256"
        #expect(try Dialogue(context, serverName: "a.test") { $0.groups = groups }.isOpen)
        let closed = try Dialogue(context, serverName: "b.test") { $0.groups = groups }
        #expect(closed.server.failure?.kind == .clientCertificate)
        #expect(context.counters.snapshot.unknownNames == 0)

        let client = TestClient(.init(groups: groups, serverName: "a.test"))
        let server = try TestServer(context)
        let request = server.receive(client.step())
        var second = client.step(request)
        let place = try #require(second.indices.first { second[$0...].starts(with: Array("a.test".utf8)) })
        second[place] = UInt8(ascii: "b")
        _ = server.receive(second)
        #expect(server.failure?.reason == "server name changed")
        #expect(server.failure?.alert?.name == "illegal_parameter")
    }

    @Test("T15: after a name is removed its ticket opens nothing", arguments: versions)
    func removedName(version: CInt) throws {
        let context = try context { $0.unknownNames = .refuse }
        let session = try #require(Dialogue(context, version: version, serverName: "b.test").session)
        var smaller = TLSConfiguration(identities: [Self.a.identity])
        smaller.unknownNames = .refuse
        try context.reload(smaller)
        let after = try Dialogue(context, version: version, serverName: "b.test", session: session)
        #expect(after.server.failure?.kind == .unknownName)
    }

    @Test("T19: renegotiation is refused also after the context was changed, and the connection lives")
    func renegotiation() throws {
        let dialogue = try Dialogue(context(), version: TLS1_2_VERSION, serverName: "b.test")
        #expect(SSL_renegotiate(dialogue.client.ssl) == 1)
        _ = ctls_do_handshake(dialogue.client.ssl)
        _ = dialogue.server.receive(dialogue.client.step())
        #expect(dialogue.server.failure == nil)
        dialogue.client.step(dialogue.server.send([1, 2, 3]))
        #expect(dialogue.server.failure == nil)
    }

    @Test("Hosts that claim one name, and certificates that nobody would get, are refused")
    func conflicts() throws {
        let twice = #expect(throws: TLSError.self) {
            try context([Self.a]) { $0.hosts = [TLSHost(identities: [Self.aRSA.identity])] }
        }
        #expect(twice?.code == .identityConflict)
        let nameless = TestIdentity(.ecdsa, names: nil)
        #expect(#expect(throws: TLSError.self) { try context([Self.a, nameless]) }?.code == .identityConflict)
        #expect(throws: TLSError.self) {
            try context([Self.a]) { $0.hosts = [TLSHost(identities: [Self.b.identity], names: ["a*.test"])] }
        }
        // Names that are given count, whatever the certificate says.
        let named = try context([Self.a]) {
            $0.hosts = [TLSHost(identities: [nameless.identity], names: ["n.test", "*.n.test"])]
        }
        #expect(try Dialogue(named, serverName: "x.n.test").client.serverCertificate == nameless.certificatePEM)
    }
}
