internal import CTLS

/// The contents of a PKCS#12 file (RFC 7292).
struct PKCS12File: ~Copyable {
    let leaf: OpaquePointer
    let key: OpaquePointer
    let chain: OpaquePointer?

    init(_ bytes: borrowing SecretBytes, passphrase: String?, file: String?) throws(TLSError) {
        let place = file.map { " \($0)" } ?? ""
        ERR_clear_error()
        var position = bytes.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard bytes.count > 0, let container = d2i_PKCS12(nil, &position, bytes.count) else {
            throw TLSError.fromQueue(.damagedPrivateKey, "The PKCS#12 file\(place) cannot be read.", file: file)
        }
        defer { PKCS12_free(container) }
        // No passphrase and an empty one are two things in this format; either is meant by none.
        let words: [String?] = passphrase.map { [$0] } ?? [nil, ""]
        guard let word = words.first(where: { PKCS12_verify_mac(container, $0, -1) == 1 }) else {
            ERR_clear_error()
            throw TLSError(
                passphrase == nil ? .passphraseMissing : .passphraseWrong,
                "The passphrase does not open the PKCS#12 file\(place) - check it.",
                file: file
            )
        }
        var leaf: OpaquePointer?
        var key: OpaquePointer?
        var chain: OpaquePointer?
        let isRead = PKCS12_parse(container, word, &key, &leaf, &chain) == 1
        guard isRead, let leaf, let key else {
            X509_free(leaf)
            EVP_PKEY_free(key)
            if let chain { CertificateStack(owning: chain).discardAll() }
            throw TLSError.fromQueue(
                isRead ? .noPrivateKey : .damagedPrivateKey,
                "The PKCS#12 file\(place) has no certificate with its key in it.",
                file: file
            )
        }
        self.leaf = leaf
        self.key = key
        self.chain = chain
    }
}
