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

func exampleTickets(_ server: StickyServer, _ configuration: inout TLSConfiguration) throws {
    // example: tickets
    configuration.ticketKeys = .master
    if server.isMaster {
        let rotation = try TicketKeyRotation(sharingWith: server)
        Task { try await rotation.run() }
    }
    // end
}

func exampleForeignKeys(_ configuration: inout TLSConfiguration) throws {
    // example: foreign keys
    configuration.ticketKeys = try .fixed([TicketKeys.nginxFile("current.key"), TicketKeys.nginxFile("previous.key")])
    // end
}

func exampleReload(_ context: TLSContext) {
    // example: reload
    let reloader = TLSReloader(context)
    Task { try await reloader.run() }
    // end
}

func exampleShare(_ server: StickyServer, _ configuration: TLSConfiguration) throws {
    // example: share
    if server.isMaster { try TLSFileShare.share(configuration, with: server) }
    // end
}
