/// What is asked of the clients of a host: whether they need a certificate, whose, and which.
///
/// A certificate that is shown is always verified: one that does not hold ends the handshake, also where none is
/// required. With any of the allow-lists set, a certificate must be in one of them.
public struct TLSClientCertificates: Sendable {
    /// Whether a certificate is asked for.
    public enum Requirement: String, Sendable, Hashable {
        /// Not asked for.
        case none
        /// Asked for; a client without one is served too.
        case optional
        /// A client without one is refused (alert `certificate_required`, in TLS 1.2 `handshake_failure`).
        case required
    }

    /// Whether a certificate is asked for.
    public var requirement: Requirement
    /// The authorities that are trusted, as PEM files.
    public var authorities: [TLSFile]
    /// Revocation lists, as PEM files. With at least one, each certificate of a chain needs a list of its issuer that
    /// is in date, and must not be in it.
    public var revocationLists: [TLSFile] = []
    /// How many intermediate certificates there may be between the client's and a trusted one.
    public var maximumDepth = 4

    /// DNS names, of which the certificate must have one; compared whole and without regard to case.
    public var allowedDNSNames: [String] = []
    /// URIs, such as SPIFFE's `spiffe://example.org/service`, of which the certificate must have one; compared whole.
    /// One that ends in `/*` allows everything below.
    public var allowedURIs: [String] = []
    /// SHA-256 of the certificate's public key (SubjectPublicKeyInfo in DER, as in RFC 7469), 32 bytes each.
    public var allowedPublicKeys: [[UInt8]] = []

    /// Session tickets after a full handshake. A client that resumes is not asked again, and with client certificates
    /// OpenSSL 3.0 resumes slower than it verifies, so there are none unless you want them.
    public var ticketCount = 0

    /// No certificate is asked for.
    public static let notAsked = TLSClientCertificates(.none, authorities: [])

    /// A certificate of one of these authorities is required.
    public static func required(authorities: [TLSFile]) -> TLSClientCertificates {
        TLSClientCertificates(.required, authorities: authorities)
    }

    /// A certificate of one of these authorities is welcome.
    public static func optional(authorities: [TLSFile]) -> TLSClientCertificates {
        TLSClientCertificates(.optional, authorities: authorities)
    }

    init(_ requirement: Requirement, authorities: [TLSFile]) {
        self.requirement = requirement
        self.authorities = authorities
    }
}

/// A file, or its contents when they are in memory already.
public struct TLSFile: Sendable, ExpressibleByStringLiteral {
    let source: TLSIdentity.Source

    /// Names a file. It is read when a context is made, and again at each reload.
    public init(_ path: String) {
        source = .file(path)
    }

    /// Names a file.
    public init(stringLiteral path: String) {
        self.init(path)
    }

    /// Gives the contents.
    public init(bytes: [UInt8]) {
        source = .bytes(bytes)
    }
}
