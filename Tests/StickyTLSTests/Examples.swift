// The examples of docs/tls.md, word by word between the marks, so that the compiler reads them.
import StickyServer
import StickyTLS

func exampleNames() throws -> TLSContext {
    // example: names
    var configuration = TLSConfiguration(identities: [
        TLSIdentity(certificateFile: "example/fullchain.pem", privateKeyFile: "example/privkey.pem"),
        TLSIdentity(file: "example/rsa.pem"),
        TLSIdentity(file: "shop.pem"),
    ])
    configuration.unknownNames = .refuse
    let context = try TLSContext(configuration)
    // end
    return context
}

func exampleClients(_ configuration: inout TLSConfiguration) {
    // example: clients
    var clients = TLSClientCertificates.required(authorities: ["clients-ca.pem"])
    clients.revocationLists = ["clients-crl.pem"]
    clients.allowedURIs = ["spiffe://example.org/backend/*"]
    configuration.hosts.append(
        TLSHost(identities: [TLSIdentity(file: "internal.pem")], clientCertificates: clients)
    )
    // end
}

func exampleForeignKeys(_ configuration: inout TLSConfiguration) {
    // example: foreign keys
    configuration.ticketKeys = .files(["current.key", "previous.key"])
    // end
}

func exampleReload(_ server: StickyServer, _ configuration: TLSConfiguration) async throws {
    // example: reload
    let context = try TLSContext(configuration)
    if server.isMaster {
        let master = try TLSMaster(context, of: server)
        let running = Task { try await master.run() }
        try await server.listen()
        running.cancel()
    }
    // end
}
