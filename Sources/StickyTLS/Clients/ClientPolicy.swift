internal import CTLS

/// What is asked of clients, with its files read: authorities and revocation lists in an `X509_STORE`.
///
/// Unchecked: nothing is written after `init`.
final class ClientPolicy: @unchecked Sendable {
    let configuration: TLSClientCertificates
    let store: OpaquePointer
    let authorities: CertificateStack
    let hasRevocationLists: Bool
    /// Changes when anything does that decides who is let in: a session made under another one is not resumed.
    let name: [UInt8]

    private let dnsNames: Set<String>
    private let uris: Set<String>
    private let uriPrefixes: [String]
    private let publicKeys: Set<[UInt8]>

    var isAsked: Bool { configuration.requirement != .none }
    var hasAllowList: Bool { !dnsNames.isEmpty || !uris.isEmpty || !uriPrefixes.isEmpty || !publicKeys.isEmpty }

    var verifyMode: CInt {
        switch configuration.requirement {
        case .none: SSL_VERIFY_NONE
        case .optional: SSL_VERIFY_PEER
        case .required: SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        }
    }

    init(_ configuration: TLSClientCertificates, files: TLSFileReader) throws(TLSError) {
        self.configuration = configuration
        guard let store = X509_STORE_new() else {
            throw TLSError.fromQueue(.openSSL, "OpenSSL cannot make a store of certificates.")
        }
        var owned: OpaquePointer? = store
        defer { X509_STORE_free(owned) }
        var fingerprint = Fingerprint()
        fingerprint.add("StickyTLS clients 1 \(configuration.requirement.rawValue) \(configuration.maximumDepth)")
        let authorities = try CertificateStack()
        if configuration.requirement != .none {
            for file in configuration.authorities {
                try ClientPolicy.load(file, "authority", isCertificate: true, files, &fingerprint) { reader in
                    guard let certificate = PEM_read_bio_X509(reader, nil, nil, nil) else { return false }
                    X509_STORE_add_cert(store, certificate)
                    // The stack takes the reference over.
                    guard OPENSSL_sk_push(authorities.handle, UnsafeRawPointer(certificate)) > 0 else {
                        X509_free(certificate)
                        return false
                    }
                    return true
                }
            }
            for file in configuration.revocationLists {
                try ClientPolicy.load(file, "revocation list", isCertificate: false, files, &fingerprint) { reader in
                    guard let list = PEM_read_bio_X509_CRL(reader, nil, nil, nil) else { return false }
                    defer { X509_CRL_free(list) }
                    return X509_STORE_add_crl(store, list) == 1
                }
            }
            guard OPENSSL_sk_num(authorities.handle) > 0 else {
                throw TLSError(
                    .invalidConfiguration,
                    "Client certificates are asked for, but no authority is trusted. Name the file of at least one."
                )
            }
        }
        self.authorities = authorities
        hasRevocationLists = configuration.requirement != .none && !configuration.revocationLists.isEmpty
        let names = configuration.allowedDNSNames.map { $0.lowercased() }.sorted()
        dnsNames = Set(names)
        uris = Set(configuration.allowedURIs.filter { !$0.hasSuffix("/*") })
        uriPrefixes = configuration.allowedURIs.filter { $0.hasSuffix("/*") }.map { String($0.dropLast()) }.sorted()
        publicKeys = Set(configuration.allowedPublicKeys)
        guard publicKeys.allSatisfy({ $0.count == 32 }) else {
            throw TLSError(.invalidConfiguration, "The SHA-256 of a public key has 32 bytes.")
        }
        for text in names { fingerprint.add("dns \(text)") }
        for text in configuration.allowedURIs.sorted() { fingerprint.add("uri \(text)") }
        for key in configuration.allowedPublicKeys.map({ $0.map(String.init).joined(separator: ",") }).sorted() {
            fingerprint.add("key \(key)")
        }
        name = fingerprint.finish()
        self.store = store
        owned = nil
    }

    deinit {
        X509_STORE_free(store)
    }

    /// Whether a certificate that holds is one of those that are wanted.
    func allows(_ certificate: OpaquePointer) -> Bool {
        guard hasAllowList else { return true }
        let names = CertificateNames(certificate)
        return names.dns.contains { dnsNames.contains($0.lowercased()) }
            || names.uris.contains { uri in uris.contains(uri) || uriPrefixes.contains { uri.hasPrefix($0) } }
            || !publicKeys.isEmpty && publicKeys.contains(TLSClientCertificate.publicKeyHash(certificate))
    }

    /// Reads every block of a PEM file; each must be of the kind that is wanted.
    private static func load(
        _ file: TLSFile,
        _ what: String,
        isCertificate: Bool,
        _ files: TLSFileReader,
        _ fingerprint: inout Fingerprint,
        _ add: (OpaquePointer) -> Bool
    ) throws(TLSError) {
        let text = try LoadedIdentity.load(file.source, what: what, files)
        let path = file.source.file
        let blocks = PEMBlocks(text).blocks.filter { isCertificate ? $0.isCertificate : $0.label == "X509 CRL" }
        guard !blocks.isEmpty else {
            throw TLSError(
                isCertificate ? .noCertificate : .damagedRevocationList,
                "\(path ?? "The PEM text") has no \(what) in it. Give the file with the PEM blocks.",
                file: path
            )
        }
        for (index, block) in blocks.enumerated() {
            guard try withReader(over: text, block.range, add) else {
                throw TLSError.fromQueue(
                    isCertificate ? .damagedCertificate : .damagedRevocationList,
                    "The \(what) number \(index + 1)\(path.map { " in \($0)" } ?? "") is damaged.",
                    file: path
                )
            }
        }
        fingerprint.add(text.bytes)
    }
}

/// A SHA-256 over several things, each with its length, so that two lists never look like one another.
struct Fingerprint {
    private var parts: [UInt8] = []

    mutating func add(_ text: String) {
        Array(text.utf8).withUnsafeBytes { add($0) }
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { parts.append(contentsOf: $0) }
        parts.append(contentsOf: sha256(bytes))
    }

    func finish() -> [UInt8] {
        parts.withUnsafeBytes { sha256($0) }
    }
}

func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 32) { digest, count in
        SHA256(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, digest.baseAddress)
        count = 32
    }
}
