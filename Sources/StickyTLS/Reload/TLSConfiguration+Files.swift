extension TLSConfiguration {
    /// Every file that the configuration names: certificates, keys, OCSP responses, authorities, revocation
    /// lists.
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
        for source in sources {
            if let file = source?.file, !files.contains(file) { files.append(file) }
        }
        return files
    }
}
