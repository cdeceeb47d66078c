/// Names that are served with certificates and a policy of their own (SNI, RFC 6066 section 3).
public struct TLSHost: Sendable {
    /// The certificates with their keys, at most one of each kind of key for a name.
    public var identities: [TLSIdentity]
    /// The names, such as `example.com` and `*.example.com`; a wildcard stands for one label. Empty: the DNS names in
    /// the certificates.
    public var names: [String]
    /// What is asked of clients.
    public var clientCertificates: TLSClientCertificates

    /// A host.
    public init(
        identities: [TLSIdentity],
        names: [String] = [],
        clientCertificates: TLSClientCertificates = .notAsked
    ) {
        self.identities = identities
        self.names = names
        self.clientCertificates = clientCertificates
    }
}

/// What becomes of a client whose hello has no name of ours.
public enum TLSNamePolicy: Sendable, Hashable {
    /// It is served with the default certificate, the first of the configuration, and that one's policy.
    case serveDefault
    /// It is refused with the fatal alert `unrecognized_name` (112).
    case refuse
}
