internal import CTLS

/// A certificate chain and its key as OpenSSL's objects: read, decoded and known to belong together.
///
/// Unchecked: nothing is written after `init`, and OpenSSL counts references to what it shares by itself.
final class LoadedIdentity: @unchecked Sendable {
    /// Larger files are refused before they are read.
    static let fileLimit = 1024 * 1024

    let leaf: Certificate
    /// The intermediate certificates, as `STACK_OF(X509)`.
    let chain: CertificateStack
    let key: PrivateKey
    /// The names in the certificate.
    let names: CertificateNames
    /// The file that the certificate came from.
    let file: String?
    let staple: OCSPStaple?

    /// The kind of key, of which a context holds one each.
    var kind: CInt { EVP_PKEY_get_base_id(key.handle) }

    init(_ identity: TLSIdentity, files: TLSFileReader = TLSFileReader()) throws(TLSError) {
        if identity.isPKCS12 {
            let file = identity.certificates.file
            let contents = try files.read(identity.certificates, what: "PKCS#12 file")
            let found = try PKCS12File(contents, passphrase: identity.passphrase(for: file), file: file)
            leaf = Certificate(owning: found.leaf)
            key = PrivateKey(owning: found.key)
            chain = if let chain = found.chain { CertificateStack(owning: chain) } else { try CertificateStack() }
            names = CertificateNames(found.leaf)
            staple = try LoadedIdentity.staple(of: identity, for: found.leaf, files)
            self.file = file
            return
        }
        let certificateText = try LoadedIdentity.load(identity.certificates, what: "certificate", files)
        let file = identity.certificates.file
        let blocks = PEMBlocks(certificateText).blocks
        let certificates = blocks.filter(\.isCertificate)
        guard let first = certificates.first else {
            throw TLSError(
                .noCertificate,
                "\(file ?? "The PEM text") has no certificate in it, only \(LoadedIdentity.list(blocks)). "
                    + "Give the file with the BEGIN CERTIFICATE blocks.",
                file: file
            )
        }
        let leaf = try Certificate(pem: certificateText, block: first, number: 1, file: file)
        let chain = try CertificateStack()
        for (index, block) in certificates.enumerated().dropFirst() {
            try chain.append(Certificate(pem: certificateText, block: block, number: index + 1, file: file))
        }
        let key = try LoadedIdentity.key(of: identity, besides: certificateText, files)
        ERR_clear_error()
        guard X509_check_private_key(leaf.handle, key.handle) == 1 else {
            let keyFile = identity.privateKey.map(\.file) ?? file
            throw TLSError.fromQueue(
                .keyMismatch,
                "The private key\(keyFile.map { " in \($0)" } ?? "") does not belong to the first certificate"
                    + "\(file.map { " in \($0)" } ?? ""). Pair them again; the server's own certificate comes first.",
                file: keyFile
            )
        }
        staple = try LoadedIdentity.staple(of: identity, for: leaf.handle, files)
        self.names = CertificateNames(leaf.handle)
        self.leaf = leaf
        self.chain = chain
        self.key = key
        self.file = file
    }

    private static func staple(
        of identity: TLSIdentity,
        for certificate: OpaquePointer,
        _ files: TLSFileReader
    ) throws(TLSError) -> OCSPStaple? {
        guard let source = identity.ocspResponse?.source else { return nil }
        let response = try files.read(source, what: "OCSP response")
        return try OCSPStaple(response, for: certificate, file: source.file)
    }

    private static func key(
        of identity: TLSIdentity,
        besides certificates: borrowing SecretBytes,
        _ files: TLSFileReader
    ) throws(TLSError) -> PrivateKey {
        guard let source = identity.privateKey else {
            let file = identity.certificates.file
            return try PrivateKey(pem: certificates, file: file) { identity.passphrase(for: file) }
        }
        let text = try load(source, what: "private key", files)
        return try PrivateKey(pem: text, file: source.file) { identity.passphrase(for: source.file) }
    }

    /// Reads PEM text.
    static func load(
        _ source: TLSIdentity.Source,
        what: String,
        _ files: TLSFileReader
    ) throws(TLSError) -> SecretBytes {
        let text = try files.read(source, what: what)
        let name = source.file ?? "The \(what)"
        // Blank, tab, line feed and their like.
        guard text.bytes.contains(where: { $0 > 0x20 }) else {
            throw TLSError(.empty, "\(name) is empty. Write the \(what) to it as PEM text.", file: source.file)
        }
        guard !PEMBlocks(text).blocks.isEmpty else {
            throw TLSError(
                .notPEM,
                "\(name) has no complete PEM block (-----BEGIN ... to -----END ...) in it. "
                    + "If it is DER or PKCS#12, convert it with `openssl x509` or `openssl pkcs12`.",
                file: source.file
            )
        }
        return text
    }

    static func list(_ blocks: [PEMBlocks.Block]) -> String {
        var labels: [String] = []
        for block in blocks where !labels.contains(block.label) && labels.count < 4 {
            labels.append(block.label)
        }
        return labels.joined(separator: ", ")
    }
}
