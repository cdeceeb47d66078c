import Foundation
import TestSupport
import Testing

/// Certificates that change under a running server.
@Suite("Certificates are renewed without new processes", .serialized)
struct ReloadTests {
    /// A folder with a certificate and its key, which only its owner may read: workers of a root server are not.
    private struct Folder: ~Copyable {
        let url = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        var certificate: String { url.appending(path: "chain.pem").path() }
        var key: String { url.appending(path: "key.pem").path() }

        init() throws {
            try FileManager.default.createDirectory(
                at: url,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
            try use("localhost-ecdsa")
        }

        deinit {
            try? FileManager.default.removeItem(at: url)
        }

        func use(_ name: String) throws {
            let certs = DemoServer.root.appending(path: "certs")
            try Data(contentsOf: certs.appending(path: "\(name).pem")).write(to: URL(filePath: certificate))
            try Data(contentsOf: certs.appending(path: "\(name)-key.pem")).write(to: URL(filePath: key))
        }

        var arguments: [String] { ["--certificate", certificate, "--private-key", key] }
    }

    /// The server's own certificate as PEM.
    private func certificate(_ server: DemoServer) async throws -> String {
        let command = try await Command.run([
            "openssl", "s_client", "-connect", "127.0.0.1:\(server.port)", "-servername", "localhost",
        ])
        let parts = command.output.components(separatedBy: "-----BEGIN CERTIFICATE-----")
        let pem = try #require(parts.dropFirst().first?.components(separatedBy: "-----END CERTIFICATE-----"))
        try #require(pem.count > 1)
        return pem[0]
    }

    @Test("A new certificate is served when its files have changed, by the same workers (T21, T24)")
    func fileWatch() async throws {
        let folder = try Folder()
        let server = try await DemoServer(folder.arguments)
        let workers = server.workers
        let before = try await certificate(server)
        try folder.use("localhost-rsa")
        try await eventually(within: 20, "the new certificate") { try await certificate(server) != before }
        #expect(server.workers == workers)
        #expect(try await server.stop() == 0)
    }

    @Test("Half a pair changes nothing and is told, and the whole pair is taken when it is there (T21)")
    func halfPair() async throws {
        let folder = try Folder()
        let server = try await DemoServer(folder.arguments)
        let before = try await certificate(server)
        let rsa = DemoServer.root.appending(path: "certs/localhost-rsa.pem")
        try Data(contentsOf: rsa).write(to: URL(filePath: folder.certificate))
        try await eventually(within: 20, "the problem is told") {
            server.standardError.text.contains(folder.certificate) || server.standardError.text.contains(folder.key)
        }
        #expect(try await certificate(server) == before)
        try folder.use("localhost-rsa")
        try await eventually(within: 20, "the new certificate") { try await certificate(server) != before }
        #expect(try await server.stop() == 0)
    }

    @Test("SIGHUP reads the files too")
    func hangup() async throws {
        let folder = try Folder()
        let server = try await DemoServer(folder.arguments)
        let before = try await certificate(server)
        let workers = server.workers
        try folder.use("localhost-rsa")
        kill(server.master, SIGHUP)
        try await eventually(within: 20, "the new certificate") { try await certificate(server) != before }
        try await eventually(within: 20, "new workers") { Set(server.workers).isDisjoint(with: workers) }
        #expect(try await certificate(server) != before)
        #expect(try await server.stop() == 0)
    }

    @Test("SIGHUP without new processes: only the certificates are read")
    func hangupKeepsWorkers() async throws {
        let folder = try Folder()
        let server = try await DemoServer(folder.arguments + ["--keep-workers"])
        let before = try await certificate(server)
        let workers = server.workers
        try folder.use("localhost-rsa")
        kill(server.master, SIGHUP)
        try await eventually(within: 20, "the new certificate") { try await certificate(server) != before }
        #expect(server.workers == workers)
        #expect(server.standardError.text.contains("told of SIGHUP"))
        #expect(try await server.stop() == 0)
    }

    @Test("Strict SNI refuses other names and none; PKCS#12 and its passphrase serve")
    func options() async throws {
        let folder = try Folder()
        let file = folder.url.appending(path: "identity.p12").path()
        let word = folder.url.appending(path: "word").path()
        try Data("open sesame\n".utf8).write(to: URL(filePath: word))
        let made = try await Command.run([
            "openssl", "pkcs12", "-export", "-in", folder.certificate, "-inkey", folder.key, "-out", file, "-passout",
            "pass:open sesame",
        ])
        try #require(made.status == 0, "\(made.errors)")
        let server = try await DemoServer(["--strict-sni", "--pkcs12", file, "--passphrase-file", word])
        #expect(try await Command.curl(server, "/hello").output == "Hello, world!\n")
        let other = try await Command.run([
            "openssl", "s_client", "-connect", "127.0.0.1:\(server.port)", "-servername", "other.example",
        ])
        #expect((other.output + other.errors).contains("unrecognized name"))
        #expect(try await server.stop() == 0)
    }

    @Test("Client certificates: asked for, told, and refused when there is none")
    func clientCertificates() async throws {
        let server = try await DemoServer(["--client-ca", "certs/client-ca.pem"])
        let without = try await Command.curl(server, "/whoami")
        #expect(without.status != 0)
        let with = try await Command.curl(
            server,
            "/whoami",
            ["--cert", "certs/client.pem", "--key", "certs/client-key.pem"]
        )
        #expect(with.output.contains("\"clientCertificate\":\"CN="), "\(with.output) \(with.errors)")
        #expect(try await server.stop() == 0)
    }
}
