import StickyServer
import StickyTLS

// README.md

struct HelloServer {
    static func main() async throws {
        let tls = TLSConfiguration(identities: [TLSIdentity(file: "certs/localhost.pem")])
        try await StickyServer.run(port: 8443) {
            try TLSWorker(tls) { connection in
                _ = try connection.read(upTo: 4096)
                try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
            }
        }
    }
}
