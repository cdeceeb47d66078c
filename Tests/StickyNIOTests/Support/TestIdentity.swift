// The same helper as in StickyTLSTests.
import CTLS
import StickyTLS

/// A key and a self-signed certificate for it, made at run time.
struct TestIdentity: Sendable {
    enum Kind: Sendable {
        case ecdsa
        case rsa
        /// Too small for security level 2.
        case weakRSA
    }

    let certificatePEM: [UInt8]
    let privateKeyPEM: [UInt8]

    static let ecdsa = TestIdentity(.ecdsa)
    static let rsa = TestIdentity(.rsa)
    static let otherECDSA = TestIdentity(.ecdsa)

    var identity: TLSIdentity { TLSIdentity(certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM) }

    init(_ kind: Kind) {
        let key = TestIdentity.makeKey(kind)
        defer { EVP_PKEY_free(key) }
        let certificate = X509_new()
        defer { X509_free(certificate) }
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int.random(in: 1...Int(Int32.max)))
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600)
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600)
        let name = X509_get_subject_name(certificate)
        let text = Array("localhost".utf8)
        X509_NAME_add_entry_by_txt(name, "CN", Self.asn1Text, text, CInt(text.count), -1, 0)
        X509_set_issuer_name(certificate, name)
        let extensions = X509V3_EXT_conf_nid(nil, nil, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1")
        X509_add_ext(certificate, extensions, -1)
        X509_EXTENSION_free(extensions)
        X509_set_pubkey(certificate, key)
        X509_sign(certificate, key, EVP_sha256())
        certificatePEM = TestIdentity.text { PEM_write_bio_X509($0, certificate) }
        privateKeyPEM = TestIdentity.text { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
    }

    /// The key, encrypted with a passphrase.
    func encryptedKey(passphrase: String) -> [UInt8] {
        let reader = BIO_new_mem_buf(privateKeyPEM, CInt(privateKeyPEM.count))
        defer { BIO_free(reader) }
        let key = PEM_read_bio_PrivateKey(reader, nil, nil, nil)
        defer { EVP_PKEY_free(key) }
        let bytes = Array(passphrase.utf8)
        return TestIdentity.text {
            PEM_write_bio_PrivateKey($0, key, EVP_aes_128_cbc(), bytes, CInt(bytes.count), nil, nil)
        }
    }

    private static let asn1Text = CInt(0x1000 | 1)

    private static func makeKey(_ kind: Kind) -> OpaquePointer? {
        let context = EVP_PKEY_CTX_new_from_name(nil, kind == .ecdsa ? "EC" : "RSA", nil)
        defer { EVP_PKEY_CTX_free(context) }
        EVP_PKEY_keygen_init(context)
        switch kind {
        case .ecdsa: EVP_PKEY_CTX_set_group_name(context, "P-256")
        case .rsa: EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048)
        case .weakRSA: EVP_PKEY_CTX_set_rsa_keygen_bits(context, 1024)
        }
        var key: OpaquePointer?
        EVP_PKEY_generate(context, &key)
        return key
    }

    private static func text(_ write: (OpaquePointer?) -> CInt) -> [UInt8] {
        let bio = BIO_new(BIO_s_mem())
        defer { BIO_free(bio) }
        _ = write(bio)
        var bytes = [UInt8](repeating: 0, count: 64 * 1024)
        let count = BIO_read(bio, &bytes, CInt(bytes.count))
        return Array(bytes.prefix(Int(max(count, 0))))
    }
}
