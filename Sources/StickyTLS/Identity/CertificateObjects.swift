internal import CTLS

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

    init(owning handle: OpaquePointer) {
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

    init(owning handle: OpaquePointer) {
        self.handle = handle
    }

    /// Frees the certificates, by the end of the value.
    consuming func discardAll() {}

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
