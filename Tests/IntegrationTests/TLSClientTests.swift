import Foundation
import TestSupport
import Testing

@Suite("Real TLS clients", .serialized)
struct TLSClientTests {
    private struct Resumption: Decodable {
        struct One: Decodable {
            let slot: Int
            let resumed: Bool
            let version: String
        }

        let connections: [One]
    }

    @Test("curl speaks TLS 1.2 and 1.3, and HTTP/2 unless it wants HTTP/1.1", arguments: ["1.2", "1.3"])
    func curlVersions(_ version: String) async throws {
        let server = try await DemoServer()
        let told = try await WhoAmI.ask(server, ["--tlsv\(version)", "--tls-max", version])
        #expect(told.tls?.version == "TLSv\(version)")
        #expect(told.tls?.alpn == "h2")
        let older = try await WhoAmI.ask(server, ["--http1.1", "--tlsv\(version)", "--tls-max", version])
        #expect(older.tls?.alpn == "http/1.1")
        #expect(told.tls?.sni == "localhost")
        #expect(told.tls?.group == "X25519")
        if version == "1.3" { #expect(told.tls?.cipher == "TLS_AES_128_GCM_SHA256") }
        #expect(try await server.stop() == 0)
    }

    @Test("openssl s_client gets the key that it can verify", arguments: ["1_2", "1_3"], ["ECDSA", "RSA"])
    func keys(_ version: String, _ key: String) async throws {
        let server = try await DemoServer()
        let algorithms = key == "RSA" ? "rsa_pss_rsae_sha256:RSA+SHA256" : "ECDSA+SHA256"
        let command = try await Command.run(
            [
                "openssl", "s_client", "-connect", "127.0.0.1:\(server.port)", "-servername", "localhost", "-CAfile",
                "certs/ca.pem", "-verify_return_error", "-tls\(version)", "-sigalgs", algorithms, "-ign_eof", "-quiet",
                "-no_ign_eof",
            ],
            input: "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        #expect(command.errors.contains("verify return:1"), "\(command.errors)")
        #expect(command.errors.contains("verify error") == false)
        let probe = try await Command.run(
            [
                "openssl", "s_client", "-connect", "127.0.0.1:\(server.port)", "-servername", "localhost", "-CAfile",
                "certs/ca.pem", "-tls\(version)", "-sigalgs", algorithms,
            ],
            input: ""
        )
        #expect(probe.output.contains("Verify return code: 0 (ok)"), "\(probe.output)")
        #expect(probe.output.contains(key == "RSA" ? "RSA" : "ECDSA"))
        #expect(try await server.stop() == 0)
    }

    @Test("Python's ssl resumes on the same worker", arguments: ["1.2", "1.3"])
    func resumption(_ version: String) async throws {
        let server = try await DemoServer()
        let result: Resumption = try await Command.client("resume", ["\(server.port)", version, "4"])
        #expect(result.connections.map(\.resumed) == [false, true, true, true])
        #expect(Set(result.connections.map(\.slot)).count == 1)
        #expect(result.connections.allSatisfy { $0.version == "TLSv\(version)" })
        #expect(try await server.stop() == 0)
    }

    @Test("Sessions resume on the successor of a worker that was killed (S4)", arguments: ["1.2", "1.3"])
    func resumptionSurvivesDeath(_ version: String) async throws {
        let server = try await DemoServer()
        let result: Resumption = try await Command.client("resume", ["\(server.port)", version, "4", "kill"])
        #expect(result.connections.map(\.resumed) == [false, true, true, true])
        #expect(Set(result.connections.map(\.slot)).count == 1)
        #expect(try await server.stop() == 0)
    }

    @Test("A client without a protocol in common gets the fatal alert")
    func alpnMismatch() async throws {
        let server = try await DemoServer()
        let command = try await Command.run(
            ["openssl", "s_client", "-connect", "127.0.0.1:\(server.port)", "-alpn", "nothing/1"],
            input: ""
        )
        #expect(command.errors.contains("alert no application protocol"), "\(command.errors)")
        #expect(try await server.stop() == 0)
    }

    @Test("TLS 1.1 is refused")
    func oldVersion() async throws {
        let server = try await DemoServer()
        let command = try await Command.run(
            [
                "openssl", "s_client", "-connect", "127.0.0.1:\(server.port)", "-tls1_1", "-cipher",
                "DEFAULT@SECLEVEL=0",
            ],
            input: ""
        )
        #expect(command.errors.contains("alert protocol version"), "\(command.errors)")
        #expect(try await server.stop() == 0)
    }

    private struct Nagle: Decodable {
        let fastest: Double
    }

    @Test("A client with Nagle's algorithm does not wait for a delayed acknowledgement", arguments: ["lean", "stock"])
    func nagle(_ transport: String) async throws {
        let server = try await DemoServer(["--transport", transport], workers: 1)
        let told: Nagle = try await Command.client("nagle", ["\(server.port)", "30"])
        // The system delays an acknowledgement for 40 ms at least, so with one none of them can be faster.
        #expect(told.fastest < 0.04)
        #expect(try await server.stop() == 0)
    }

    @Test("Plain HTTP on the TLS port is told so")
    func plainHTTP() async throws {
        let server = try await DemoServer()
        let answer = try await Command.run(
            ["curl", "--silent", "--include", "--max-time", "10", "http://localhost:\(server.port)/hello"])
        #expect(answer.output.hasPrefix("HTTP/1.1 4") || answer.output.hasPrefix("HTTP/1.1 3"), "\(answer.output)")
        #expect(try await server.stop() == 0)
    }
}
