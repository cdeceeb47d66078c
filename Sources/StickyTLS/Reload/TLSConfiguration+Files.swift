extension TLSConfiguration {
    /// Every file that the configuration names: certificates, keys, OCSP responses, authorities, revocation
    /// lists, ticket keys.
    public var files: [String] {
        var sources: [TLSIdentity.Source?] = []
        func add(_ identities: [TLSIdentity], _ clients: TLSClientCertificates) {
            for identity in identities {
                sources += [identity.certificates, identity.privateKey, identity.ocspResponse?.source]
            }
            sources += (clients.authorities + clients.revocationLists).map(\.source)
        }
        add(identities, clientCertificates)
        for host in hosts { add(host.identities, host.clientCertificates) }
        var files: [String] = []
        for file in sources.compactMap({ $0?.file }) + ticketKeyFiles where !files.contains(file) {
            files.append(file)
        }
        return files
    }

    /// The files with ticket keys, which nobody but their owner may read.
    var ticketKeyFiles: [String] {
        if case .files(let paths) = ticketKeys { paths } else { [] }
    }
}
