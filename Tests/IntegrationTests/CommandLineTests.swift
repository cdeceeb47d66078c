import Foundation
import TestSupport
import Testing

@Suite("The demo's command line", .serialized)
struct CommandLineTests {
    private func demo(_ arguments: [String]) async throws -> Command {
        try await Command.run([try builtExecutable("sticky-demo").path()] + arguments)
    }

    @Test("--help teaches every option")
    func help() async throws {
        let help = try await demo(["--help"])
        #expect(help.status == 0)
        for word in [
            "--listen", "--workers", "--certificate", "--private-key", "--plain", "--log-level", "--dangerous", "curl",
            "--pkcs12",
            "--client-ca", "--client-allow-san", "--client-allow-uri", "--client-allow-pin", "--strict-sni",
            "--ticket-keys", "--handshake-timeout", "--handshakes-at-once", "--bare",
        ] {
            #expect(help.output.contains(word), "--help does not mention \(word)")
        }
    }

    @Test(
        "Bad arguments are a sentence and exit status 64",
        arguments: [
            ["--listen", "127.0.0.1:99999"], ["--listen", "nonsense"], ["--listen", ""], ["--workers", "-1"],
            ["--workers", "many"], ["--plain", "--certificate", "x.pem"], ["--log-level", "loud"], ["--what"],
            ["--plain", "--strict-sni"], ["--client-optional"], ["--private-key", "x.pem"],
            ["--client-allow-san", "a.test"], ["--client-ca", "ca.pem", "--client-allow-pin", "zz"],
            ["--handshake-timeout", "0"], ["--handshakes-at-once", "0"],
            ["--patience", "-1"], ["--patience", "nan"], ["--steering", "helm"],
        ]
    )
    func badArguments(_ arguments: [String]) async throws {
        let command = try await demo(arguments)
        #expect(command.status == 64)
        #expect(command.errors.contains("Error"), "\(command.errors)")
    }

    @Test("A port in use is named")
    func portInUse() async throws {
        let server = try await DemoServer()
        let second = try await demo(["--listen", "127.0.0.1:\(server.port)"])
        #expect(second.status == 1)
        #expect(second.errors.contains("127.0.0.1:\(server.port) is in use by another process"), "\(second.errors)")
        #expect(try await server.stop() == 0)
    }

    @Test("An address of another machine is named")
    func addressNotHere() async throws {
        let command = try await demo(["--listen", "192.0.2.1:8443"])
        #expect(command.status == 1)
        #expect(command.errors.contains("192.0.2.1:8443 is not an address of this machine"), "\(command.errors)")
    }

    @Test("A certificate that is missing is named, once")
    func missingCertificate() async throws {
        let command = try await demo(["--listen", "127.0.0.1:0", "--certificate", "/does/not/exist.pem"])
        #expect(command.status == 1)
        #expect(command.errors.components(separatedBy: "/does/not/exist.pem").count == 2, "\(command.errors)")
    }

    @Test("Several addresses, one of them a Unix socket")
    func severalAddresses() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "sticky-\(UUID()).sock").path()
        let server = try await DemoServer(["--listen", "unix:\(path)", "--plain"])
        let answer = try await Command.run(["curl", "--silent", "--unix-socket", path, "http://localhost/whoami"])
        let told = try JSONDecoder().decode(WhoAmI.self, from: Data(answer.output.utf8))
        #expect(told.routedBy == "round-robin")
        #expect(try await WhoAmI.ask(server).routedBy == "address")
        #expect(try await server.stop() == 0)
        #expect(!FileManager.default.fileExists(atPath: path), "the socket's file is left behind")
    }
}
