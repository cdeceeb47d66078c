internal import CTLS

/// A certificate chain and its key as OpenSSL's objects: read, decoded and known to belong together.
struct LoadedIdentity: ~Copyable {
    /// Larger files are refused before they are read.
    static let fileLimit = 1024 * 1024

    let leaf: Certificate
    /// The intermediate certificates, as `STACK_OF(X509)`.
    let chain: CertificateStack
    let key: PrivateKey

    init(_ identity: TLSIdentity) throws(TLSError) {
        let certificateText = try LoadedIdentity.load(identity.certificates, what: "certificate")
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
        let key = try LoadedIdentity.key(of: identity, besides: certificateText)
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
        self.leaf = leaf
        self.chain = chain
        self.key = key
    }

    private static func key(
        of identity: TLSIdentity,
        besides certificates: borrowing SecretBytes
    ) throws(TLSError) -> PrivateKey {
        guard let source = identity.privateKey else {
            let file = identity.certificates.file
            return try PrivateKey(pem: certificates, passphrase: identity.passphrase, file: file)
        }
        let text = try load(source, what: "private key")
        return try PrivateKey(pem: text, passphrase: identity.passphrase, file: source.file)
    }

    private static func load(_ source: TLSIdentity.Source, what: String) throws(TLSError) -> SecretBytes {
        let text: SecretBytes
        switch source {
        case .file(let path):
            text = try SecretBytes.contents(of: path, limit: fileLimit)
        case .bytes(let bytes):
            guard bytes.count <= fileLimit else {
                throw TLSError(.fileTooLarge, "The \(what) has \(bytes.count) bytes; at most \(fileLimit) are read.")
            }
            text = try SecretBytes(copying: bytes)
        }
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

/// An `X509` with one owner.
struct Certificate: ~Copyable {
    let handle: OpaquePointer

    init(
        pem: borrowing SecretBytes,
        block: PEMBlocks.Block,
        number: Int,
        file: String?
    ) throws(TLSError) {
        let handle = try withReader(over: pem, block.range) { PEM_read_bio_X509($0, nil, refusePassphrase, nil) }
        guard let handle else {
            throw TLSError.fromQueue(
                .damagedCertificate,
                "Certificate \(number)\(file.map { " in \($0)" } ?? "") is damaged. Copy the file again from its source.",
                file: file
            )
        }
        self.handle = handle
    }

    deinit {
        X509_free(handle)
    }

    consuming func relinquish() -> OpaquePointer {
        let handle = self.handle
        discard self
        return handle
    }
}

/// A `STACK_OF(X509)` that owns its certificates.
struct CertificateStack: ~Copyable {
    let handle: OpaquePointer

    init() throws(TLSError) {
        guard let handle = OPENSSL_sk_new_null() else {
            throw TLSError.fromQueue(.openSSL, "OpenSSL cannot make a list of certificates.")
        }
        self.handle = handle
    }

    func append(_ certificate: consuming Certificate) throws(TLSError) {
        let pointer = certificate.relinquish()
        guard OPENSSL_sk_push(handle, UnsafeRawPointer(pointer)) > 0 else {
            X509_free(pointer)
            throw TLSError.fromQueue(.openSSL, "OpenSSL cannot extend a list of certificates.")
        }
    }

    deinit {
        while let pointer = OPENSSL_sk_pop(handle) {
            X509_free(OpaquePointer(pointer))
        }
        OPENSSL_sk_free(handle)
    }
}

/// Calls `body` with a read-only memory BIO over part of a text.
func withReader<R>(
    over text: borrowing SecretBytes,
    _ range: Range<Int>,
    _ body: (OpaquePointer) -> R
) throws(TLSError) -> R {
    ERR_clear_error()
    let part = UnsafeRawBufferPointer(rebasing: text.bytes[range])
    guard let reader = BIO_new_mem_buf(part.baseAddress, CInt(clamping: part.count)) else {
        throw TLSError.fromQueue(.openSSL, "OpenSSL cannot make a reader.")
    }
    defer { BIO_free(reader) }
    return body(reader)
}

/// Without a callback OpenSSL asks at the terminal, and waits.
private func refusePassphrase(
    _ buffer: UnsafeMutablePointer<CChar>?,
    _ capacity: CInt,
    _ writing: CInt,
    _ context: UnsafeMutableRawPointer?
) -> CInt { -1 }
