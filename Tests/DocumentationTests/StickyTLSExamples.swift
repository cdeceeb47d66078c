import StickyServer
import StickyTLS

// docs/tls.md

func serveByHand(_ server: StickyServer) async throws {
    let identity = TLSIdentity(certificateFile: "fullchain.pem", privateKeyFile: "privkey.pem")
    let worker = try TLSWorker(TLSConfiguration(identities: [identity])) { connection in
        let request = try connection.read(upTo: 4096)
        try connection.write(request)
    }
    try await server.work(worker)
}
