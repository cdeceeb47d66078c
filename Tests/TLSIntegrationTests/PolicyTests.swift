import Foundation
import TestSupport
import Testing

@Suite("What is asked and told in handshakes", .serialized)
struct PolicyTests {
    static let mtls: [String: JSON] = [
        "hosts": .array([
            TestFiles.host(
                "mtls",
                clients: TestFiles.clients("required", crl: "crl.pem", uris: ["spiffe://test/*"])
            )
        ])
    ]

    @Test("T29: A certificate is asked for where one is wanted and nowhere else")
    func certificateRequests() async throws {
        let fixture = try await Fixture(Self.mtls)
        for version in ["-tls1_2", "-tls1_3"] {
            let open = try await Command.openssl(fixture, version, "-msg")
            #expect(open.output.contains("ServerHello"))
            #expect(!open.output.contains("CertificateRequest"))
            let closed = try await Command.openssl(fixture, name: "mtls.test", version, "-msg")
            #expect(closed.output.contains("CertificateRequest"))
        }
        try await fixture.stop()
    }

    @Test(
        "T30: Client certificates: good, none, unknown, expired, revoked and not on the list",
        arguments: ["-tls1_2", "-tls1_3"]
    )
    func clientCertificates(_ version: String) async throws {
        let fixture = try await Fixture(Self.mtls)
        let isNew = version == "-tls1_3"
        let cases: [(String?, alert: String?)] = [
            ("client", nil), (nil, isNew ? "certificate required" : "handshake failure"), ("stranger", "unknown ca"),
            ("old", "certificate expired"), ("revoked", "certificate revoked"),
        ]
        for (name, alert) in cases {
            var options = ["openssl", "s_client", "-connect", "127.0.0.1:\(fixture.port)", "-servername", "mtls.test"]
            options += ["-ign_eof", version]
            if let name {
                options += ["-cert", TestFiles.path("\(name).pem"), "-key", TestFiles.path("\(name)-key.pem")]
            }
            let client = try await Command.run(options, input: "who\nclose\n")
            if let alert {
                #expect(client.errors.contains("alert \(alert)"), "\(name ?? "none"): \(client.errors)")
                #expect(!client.output.contains("\"slot\""))
            } else {
                #expect(client.output.contains("\"verifiedHere\":true"))
                #expect(client.output.contains("spiffe://test/client"))
            }
        }
        // One line for each failure, with the name that was asked for and OpenSSL's reason.
        try await eventually(within: 10, "four lines") {
            fixture.standardError.lines.count { $0.contains("TLS handshake failed") && $0.contains("mtls.test") } == 4
        }
        try await fixture.stop()
    }

    @Test(
        "T33: Ticket keys lie in pages that are locked in memory and kept out of core dumps, and nowhere else",
        arguments: ["nginx", "haproxy"],
        ["-tls1_2", "-tls1_3"]
    )
    func keyPages(_ kind: String, _ version: String) async throws {
        let file = try await TestFiles.scratch().appending(path: "ticket.keys").path()
        let secret = (0..<80).map { _ in UInt8.random(in: 0...255) }
        let text = Data(secret).base64EncodedData() + Data([10])
        try (kind == "nginx" ? Data(secret) : text).write(to: URL(filePath: file))
        chmod(file, 0o600)
        // Each process reads the file for itself: nothing of it goes through control sockets.
        let fixture = try await Fixture(["ticketKeys": .string("\(kind):\(file)")])
        let session = file + ".session"
        _ = try await Command.openssl(fixture, version, "-ign_eof", "-sess_out", session, input: "who\nclose\n")
        let again = try await Command.openssl(fixture, version, "-ign_eof", "-sess_in", session, input: "who\nclose\n")
        #expect(again.output.contains("\"resumed\":true"))
        for process in fixture.workers + [fixture.master] {
            for half in [secret[16..<48], secret[48..<80]] {
                let found = try half.withUnsafeBytes { try ProcessMemory.copies(of: $0, in: process) }
                #expect(found.protected >= 1 && found.ordinary == 0, "\(process): \(found)")
            }
            // What was read of the file is wiped too.
            let read = try text.prefix(100).withUnsafeBytes { try ProcessMemory.copies(of: $0, in: process) }
            #expect(read.protected + read.ordinary == 0, "\(process): \(read)")
        }
        try await fixture.stop()
    }

    @Test("T33: Workers write no core files, and keys of sessions only where they are told to")
    func secrets() async throws {
        let fixture = try await Fixture(environment: ["SSLKEYLOGFILE": TestFiles.path("nobody-asked.log")])
        let client = try await Command.openssl(fixture, "-ign_eof", input: "who\nclose\n")
        #expect(client.output.contains("\"slot\""))
        for worker in fixture.workers {
            let limits = try String(contentsOfFile: "/proc/\(worker)/limits", encoding: .utf8)
            #expect(limits.contains(/Max core file size\s+0\s/))
        }
        // An environment variable of a client's tool must not make a server give its keys away.
        #expect(!FileManager.default.fileExists(atPath: TestFiles.path("nobody-asked.log")))
        try await fixture.stop()

        let log = try await TestFiles.scratch().appending(path: "keys.log").path()
        let insecure = try await Fixture(["keyLog": .string(log)])
        _ = try await Command.openssl(insecure, "-tls1_3", "-ign_eof", input: "who\nclose\n")
        let mode = try FileManager.default.attributesOfItem(atPath: log)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try String(contentsOfFile: log, encoding: .utf8).contains("SERVER_TRAFFIC_SECRET_0"))
        #expect(insecure.standardError.text.contains("INSECURE"))
        // Once others may read it, it is refused.
        chmod(log, 0o644)
        #expect(try await insecure.reload().allSatisfy { $0["code"] == "readableByOthers" })
        try await insecure.stop()
    }

    @Test("OCSP responses are stapled while they are in date, by name")
    func stapling() async throws {
        let fixture = try await Fixture([
            "identities": .array([TestFiles.identity("open", ocsp: "staple.der")]),
            "hosts": .array([TestFiles.host("vanish")]),
        ])
        let open = try await Command.openssl(fixture, "-status")
        #expect(open.output.contains("Cert Status: good"))
        let other = try await Command.openssl(fixture, name: "vanish.test", "-status")
        #expect(other.output.contains("OCSP response: no response sent"))
        try await fixture.stop()
    }

    @Test("A protocol that nobody speaks is refused with the fatal alert, one that is spoken is chosen by our order")
    func protocols() async throws {
        let fixture = try await Fixture(["alpn": .array(["h2", "http/1.1"])])
        let none = try await Command.openssl(fixture, "-alpn", "smtp,ftp")
        #expect(none.errors.contains("alert no application protocol"))
        let both = try await Command.openssl(fixture, "-alpn", "http/1.1,h2")
        #expect(both.output.contains("ALPN protocol: h2"))
        let silent = try await Command.openssl(fixture)
        #expect(silent.output.contains("No ALPN negotiated"))
        try await fixture.stop()
    }

    @Test("Keys behind a passphrase and in PKCS#12 serve")
    func otherKeyFiles() async throws {
        let locked = JSON.object([
            "certificate": .string(TestFiles.path("open.pem")), "key": .string(TestFiles.path("open-locked-key.pem")),
            "passphrase": "secret",
        ])
        let bundle = JSON.object([
            "certificate": .string(TestFiles.path("open.p12")), "pkcs12": true, "passphrase": "secret",
        ])
        for identity in [locked, bundle] {
            let fixture = try await Fixture(["identities": .array([identity])], workers: 1)
            let client = try await Command.openssl(fixture)
            #expect(client.output.contains("Verify return code: 0 (ok)"), "\(client.all)")
            try await fixture.stop()
        }
    }

    @Test("Ticket keys of nginx and HAProxy: two servers with the same file resume each other's sessions")
    func sharedKeyFiles() async throws {
        let folder = try await TestFiles.scratch()
        let nginx = folder.appending(path: "nginx.key").path()
        let haproxy = folder.appending(path: "haproxy.keys").path()
        let random = (0..<80).map { _ in UInt8.random(in: 0...255) }
        let lines = (0..<3).map { _ in Data((0..<80).map { _ in UInt8.random(in: 0...255) }).base64EncodedString() }
        try Data(random).write(to: URL(filePath: nginx))
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: haproxy))
        chmod(nginx, 0o600)
        chmod(haproxy, 0o600)
        for source in ["nginx:\(nginx)", "haproxy:\(haproxy)"] {
            let one = try await Fixture(["ticketKeys": .string(source)], workers: 1)
            let two = try await Fixture(["ticketKeys": .string(source)], workers: 1)
            let saved = folder.appending(path: "session").path()
            _ = try await Command.openssl(one, "-ign_eof", "-sess_out", saved, input: "who\nclose\n")
            let there = try await Command.openssl(two, "-ign_eof", "-sess_in", saved, input: "who\nclose\n")
            #expect(there.output.contains("\"resumed\":true"), "\(source)")
            try await one.stop()
            try await two.stop()
        }
        chmod(nginx, 0o644)
        await #expect(throws: TestFailure.self) { _ = try await Fixture(["ticketKeys": .string("nginx:\(nginx)")]) }
    }

    @Test(
        "A session resumes on another server with the same file of ticket keys, also when the key has become the second",
        arguments: ["-tls1_2", "-tls1_3"]
    )
    func rotatedKeyFiles(_ version: String) async throws {
        let folder = try await TestFiles.scratch()
        let keys = (0..<4).map { _ in Data((0..<80).map { _ in UInt8.random(in: 0...255) }) }
        func write(_ name: String, _ contents: Data) throws -> String {
            let file = folder.appending(path: name).path()
            try contents.write(to: URL(filePath: file))
            chmod(file, 0o600)
            return file
        }
        /// HAProxy encrypts with the last line but one, and has the key that encrypts before the one that authenticates.
        func lines(_ keys: Data...) -> Data {
            let ordered = keys.map { $0.prefix(16) + $0[48..<80] + $0[16..<48] }
            return Data(ordered.map { $0.base64EncodedString() + "\n" }.joined().utf8)
        }
        let nginx = try write("first", keys[0])
        let servers = [
            ("the same", "files:\(nginx)", true),
            ("a key before it", "files:\(try write("next", keys[1])),\(nginx)", true),
            ("another", "files:\(try write("other", keys[2]))", false),
            ("HAProxy's, which encrypts with it", "files:\(try write("h1", lines(keys[2], keys[0], keys[1])))", true),
            ("HAProxy's, in which it is old", "files:\(try write("h2", lines(keys[0], keys[1], keys[2])))", true),
            ("HAProxy's without it", "files:\(try write("h3", lines(keys[1], keys[2], keys[3])))", false),
        ]
        let saved = folder.appending(path: "session").path()
        let first = try await Fixture(["ticketKeys": .string("files:\(nginx)")], workers: 1)
        _ = try await Command.openssl(first, version, "-ign_eof", "-sess_out", saved, input: "who\nclose\n")
        try await first.stop()
        for (what, source, resumes) in servers {
            let server = try await Fixture(["ticketKeys": .string(source)], workers: 1)
            let there = try await Command.openssl(server, version, "-ign_eof", "-sess_in", saved, input: "who\nclose\n")
            #expect(there.output.contains("\"resumed\":\(resumes)"), "\(what): \(there.all)")
            #expect(try await server.total(resumes ? "resumed" : "ticketsUnknown", workers: 1) == 1, "\(what)")
            try await server.stop()
        }
    }

    @Test("Plain HTTP on the TLS port is answered in plain HTTP", arguments: ["stock", "lean", "threads"])
    func plainHTTP(_ transport: String) async throws {
        let fixture = try await Fixture([:], ["transport": .string(transport)], workers: 1)
        let client = try await Command.run([
            "curl", "--silent", "--include", "--max-time", "10", "http://localhost:\(fixture.port)/path",
        ])
        #expect(client.output.contains(#/^HTTP/1\.1 (308|400) /#), "\(client.all)")
        #expect(try await fixture.total("plainHTTP", workers: 1) == 1)
        try await fixture.stop()
    }
}
