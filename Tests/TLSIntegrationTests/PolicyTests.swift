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

    @Test("T33: Ticket keys are locked in memory and kept out of core dumps, and workers write none")
    func secrets() async throws {
        let fixture = try await Fixture(environment: ["SSLKEYLOGFILE": TestFiles.path("nobody-asked.log")])
        let client = try await Command.openssl(fixture, "-ign_eof", input: "who\nclose\n")
        #expect(client.output.contains("\"slot\""))
        for worker in fixture.workers {
            // A file of the kernel's says that it has no length, and is read in pieces.
            let file = try FileHandle(forReadingFrom: URL(filePath: "/proc/\(worker)/smaps"))
            let maps = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
            let flags = maps.split(separator: "\n").filter { $0.hasPrefix("VmFlags:") }.map { $0.split(separator: " ") }
            #expect(
                flags.contains { $0.contains("dd") && $0.contains("lo") },
                "nothing is locked and left out of dumps"
            )
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
