internal import CTLS
public import StickyTLS

/// A key and a self-signed certificate for it, made at run time.
public struct TestIdentity: Sendable {
    public enum Kind: Sendable {
        case ecdsa
        case rsa
        /// Too small for security level 2.
        case weakRSA
    }

    public let certificatePEM: [UInt8]
    public let privateKeyPEM: [UInt8]

    public static let ecdsa = TestIdentity(.ecdsa)
    public static let rsa = TestIdentity(.rsa)
    public static let otherECDSA = TestIdentity(.ecdsa)

    public var identity: TLSIdentity { TLSIdentity(certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM) }

    /// A certificate that signs itself, or that an authority signs.
    public init(
        _ kind: Kind,
        names: String? = "DNS:localhost,IP:127.0.0.1",
        subject: String = "localhost",
        from: Int = -3600,
        until: Int = 3600,
        by authority: TestIdentity? = nil,
        isAuthority: Bool = false
    ) {
        let key = TestIdentity.makeKey(kind)
        defer { EVP_PKEY_free(key) }
        let certificate = X509_new()
        defer { X509_free(certificate) }
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int.random(in: 1...Int(Int32.max)))
        X509_gmtime_adj(X509_getm_notBefore(certificate), from)
        X509_gmtime_adj(X509_getm_notAfter(certificate), until)
        let name = X509_get_subject_name(certificate)
        let text = Array(subject.utf8)
        X509_NAME_add_entry_by_txt(name, "CN", Self.asn1Text, text, CInt(text.count), -1, 0)
        if let names { TestIdentity.add(NID_subject_alt_name, names, to: certificate) }
        if isAuthority { TestIdentity.add(NID_basic_constraints, "critical,CA:TRUE", to: certificate) }
        X509_set_pubkey(certificate, key)
        if let authority {
            authority.withObjects { issuer, issuerKey in
                X509_set_issuer_name(certificate, X509_get_subject_name(issuer))
                X509_sign(certificate, issuerKey, EVP_sha256())
            }
        } else {
            X509_set_issuer_name(certificate, name)
            X509_sign(certificate, key, EVP_sha256())
        }
        certificatePEM = TestIdentity.text { PEM_write_bio_X509($0, certificate) }
        privateKeyPEM = TestIdentity.text { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
    }

    private static func add(_ number: CInt, _ text: String, to certificate: OpaquePointer?) {
        let extensions = X509V3_EXT_conf_nid(nil, nil, number, text)
        X509_add_ext(certificate, extensions, -1)
        X509_EXTENSION_free(extensions)
    }

    /// Certificate and key as OpenSSL's objects.
    public func withObjects<R>(_ body: (OpaquePointer, OpaquePointer) -> R) -> R {
        let certificate = certificatePEM.withUnsafeBytes { text in
            let reader = BIO_new_mem_buf(text.baseAddress, CInt(text.count))
            defer { BIO_free(reader) }
            return PEM_read_bio_X509(reader, nil, nil, nil)!
        }
        defer { X509_free(certificate) }
        let key = privateKeyPEM.withUnsafeBytes { text in
            let reader = BIO_new_mem_buf(text.baseAddress, CInt(text.count))
            defer { BIO_free(reader) }
            return PEM_read_bio_PrivateKey(reader, nil, nil, nil)!
        }
        defer { EVP_PKEY_free(key) }
        return body(certificate, key)
    }

    /// A revocation list of this authority, with these certificates on it.
    public func revocationList(_ revoked: [TestIdentity]) -> [UInt8] {
        withObjects { certificate, key in
            let list = X509_CRL_new()
            defer { X509_CRL_free(list) }
            X509_CRL_set_version(list, 1)
            X509_CRL_set_issuer_name(list, X509_get_subject_name(certificate))
            let now = X509_gmtime_adj(nil, -60)
            let later = X509_gmtime_adj(nil, 3600)
            defer {
                ASN1_STRING_free(now)
                ASN1_STRING_free(later)
            }
            X509_CRL_set1_lastUpdate(list, now)
            X509_CRL_set1_nextUpdate(list, later)
            for identity in revoked {
                identity.withObjects { certificate, _ in
                    let entry = X509_REVOKED_new()
                    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate))
                    X509_REVOKED_set_revocationDate(entry, now)
                    X509_CRL_add0_revoked(list, entry)
                }
            }
            X509_CRL_sort(list)
            X509_CRL_sign(list, key, EVP_sha256())
            return TestIdentity.text { PEM_write_bio_X509_CRL($0, list) }
        }
    }

    /// An OCSP response of this authority, which says that the certificate is good.
    public func ocspResponse(for identity: TestIdentity, until: Int) -> [UInt8] {
        withObjects { issuer, key in
            identity.withObjects { certificate, _ in
                let basic = OCSP_BASICRESP_new()
                defer { OCSP_BASICRESP_free(basic) }
                let now = X509_gmtime_adj(nil, -60)
                let later = X509_gmtime_adj(nil, until)
                defer {
                    ASN1_STRING_free(now)
                    ASN1_STRING_free(later)
                }
                let id = OCSP_cert_to_id(EVP_sha1(), certificate, issuer)
                defer { OCSP_CERTID_free(id) }
                OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, nil, now, later)
                OCSP_basic_sign(basic, issuer, key, EVP_sha256(), nil, 0)
                let response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic)
                defer { OCSP_RESPONSE_free(response) }
                var bytes = [UInt8](repeating: 0, count: Int(i2d_OCSP_RESPONSE(response, nil)))
                bytes.withUnsafeMutableBufferPointer { buffer in
                    var position = buffer.baseAddress
                    _ = i2d_OCSP_RESPONSE(response, &position)
                }
                return bytes
            }
        }
    }

    /// The key, encrypted with a passphrase.
    public func encryptedKey(passphrase: String) -> [UInt8] {
        let key = privateKeyPEM.withUnsafeBytes { text in
            let reader = BIO_new_mem_buf(text.baseAddress, CInt(text.count))
            defer { BIO_free(reader) }
            return PEM_read_bio_PrivateKey(reader, nil, nil, nil)
        }
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

    static func text(_ write: (OpaquePointer?) -> CInt) -> [UInt8] {
        let bio = BIO_new(BIO_s_mem())
        defer { BIO_free(bio) }
        _ = write(bio)
        var bytes = [UInt8](repeating: 0, count: 64 * 1024)
        let count = BIO_read(bio, &bytes, CInt(bytes.count))
        return Array(bytes.prefix(Int(max(count, 0))))
    }
}
