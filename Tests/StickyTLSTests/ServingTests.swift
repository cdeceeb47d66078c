import Foundation
import StickyServer
import StickyTLS
import TLSTestSupport
import Testing

/// The library's promise to code that uses no NIO: TLS for a server of a few lines that reads and writes.
@Suite("Serving real clients", .timeLimit(.minutes(2)))
struct ServingTests {
    /// An HTTP/1.1 server with keep-alive, in less than 30 lines.
    static func worker(_ configuration: TLSConfiguration) throws -> TLSWorker<ThreadPerConnection> {
        try TLSWorker(configuration) { connection in
            var pending: [UInt8] = []
            var requests = 0
            while case let bytes = try connection.read(), !bytes.isEmpty {
                pending += bytes
                while let end = pending.firstRange(of: Array("\r\n\r\n".utf8)) {
                    let head = String(decoding: pending[..<end.lowerBound], as: UTF8.self)
                    pending.removeSubrange(..<end.upperBound)
                    requests += 1
                    let info = connection.info
                    let path = head.split(separator: " ").dropFirst().first ?? "/"
                    let body =
                        "path=\(path) requests=\(requests) version=\(info?.version.description ?? "")"
                        + " alpn=\(info?.applicationProtocol ?? "none") resumed=\(info?.isResumed ?? false)\n"
                    let closes = head.contains("Connection: close")
                    try connection.write(
                        "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n"
                            + (closes ? "Connection: close\r\n" : "") + "\r\n" + body
                    )
                    if closes { return }
                }
            }
        }
    }

    let folder: TemporaryFolder
    let certificates: String
    let loopback: Loopback

    init() throws {
        folder = try TemporaryFolder()
        let ecdsa = TestIdentity.ecdsa
        let rsa = TestIdentity.rsa
        certificates = try folder.file("ca.pem", ecdsa.certificatePEM + rsa.certificatePEM)
        var configuration = TLSConfiguration(identities: [
            try TLSIdentity(
                certificateFile: folder.file("ecdsa.pem", ecdsa.certificatePEM),
                privateKeyFile: folder.file("ecdsa.key", ecdsa.privateKeyPEM)
            ),
            try TLSIdentity(file: folder.file("rsa.pem", rsa.certificatePEM + rsa.privateKeyPEM)),
        ])
        configuration.applicationProtocols = ["http/1.1"]
        loopback = try Loopback(Self.worker(configuration))
    }

    @Test(
        "openssl s_client gets its answer, verified",
        arguments: ["-tls1_2", "-tls1_3"],
        ["ECDSA+SHA256", "RSA-PSS+SHA256"]
    )
    func openssl(version: String, algorithms: String) throws {
        let output = try run(
            ["openssl", "s_client", "-connect", "127.0.0.1:\(loopback.port)", "-servername", "localhost", version]
                + ["-sigalgs", algorithms, "-CAfile", certificates, "-verify_return_error", "-verify_hostname"]
                + ["localhost", "-alpn", "http/1.1", "-ign_eof", "-brief"],
            input: "GET /s_client HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        let name = version == "-tls1_2" ? "TLSv1.2" : "TLSv1.3"
        #expect(output.contains("path=/s_client requests=1 version=\(name) alpn=http/1.1 resumed=false"))
    }

    @Test("Python keeps the connection, resumes, and sees a clean end")
    func python() throws {
        let script = """
            import socket, ssl, sys
            port, ca = int(sys.argv[1]), sys.argv[2]
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = ssl.create_default_context(cafile=ca)
                context.minimum_version = context.maximum_version = version
                context.set_alpn_protocols(["h2", "http/1.1"])
                session = None
                for attempt in range(2):
                    raw = socket.create_connection(("127.0.0.1", port))
                    tls = context.wrap_socket(raw, server_hostname="localhost", session=session,
                                              suppress_ragged_eofs=False)
                    for request in range(3):
                        close = "Connection: close\\r\\n" if request == 2 else ""
                        tls.sendall(f"GET /py HTTP/1.1\\r\\nHost: localhost\\r\\n{close}\\r\\n".encode())
                        answer = b""
                        while not answer.endswith(b"\\n") or b"requests=" not in answer:
                            answer += tls.recv(65536)
                    print(answer.decode().splitlines()[-1])
                    session = tls.session
                    # Raises if the server ends without close_notify.
                    assert tls.recv(1) == b""
                    tls.close()
            """
        let output = try run(["python3", "-c", script, "\(loopback.port)", certificates])
        let lines = output.split(separator: "\n").map(String.init)
        #expect(
            lines
                == ["TLSv1.2", "TLSv1.3"].flatMap { version in
                    ["false", "true"].map { "path=/py requests=3 version=\(version) alpn=http/1.1 resumed=\($0)" }
                }
        )
    }

    /// Runs a program and returns what it writes, errors too.
    private func run(_ command: [String], input: String = "") throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let (stdin, stdout) = (Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stdout
        try process.run()
        try stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        if !command.contains("-ign_eof") { try stdin.fileHandleForWriting.close() }
        let output = try stdout.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self)
    }
}
