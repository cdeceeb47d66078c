internal import CTLS

/// The certificate that a client has shown, and that was found to be good.
public struct TLSClientCertificate: Sendable, Hashable {
    /// The subject as in RFC 2253, such as `CN=worker,O=Example`.
    public var subject: String { storage.subject }
    /// The issuer as in RFC 2253.
    public var issuer: String { storage.issuer }
    /// DNS names (subjectAltName).
    public var dnsNames: [String] { storage.dnsNames }
    /// URIs (subjectAltName), such as `spiffe://example.org/service`.
    public var uris: [String] { storage.uris }
    /// The serial number in hexadecimal digits.
    public var serialNumber: String { storage.serialNumber }
    /// SHA-256 of the certificate.
    public var fingerprint: [UInt8] { storage.fingerprint }
    /// SHA-256 of its public key (SubjectPublicKeyInfo), as in ``TLSClientCertificates/allowedPublicKeys``.
    public var publicKeyHash: [UInt8] { storage.publicKeyHash }
    /// The certificate in DER.
    public var der: [UInt8] { storage.der }
    /// Whether it was verified against the authorities of the host, on this connection or on the one that this resumes.
    public let isVerified: Bool
    /// Whether the client has proved on this very connection that it has the key. False when a session was resumed.
    public let isVerifiedOnThisConnection: Bool

    /// What the certificate says, shared by all copies of the value, so that a connection that keeps none pays a word.
    let storage: Storage

    final class Storage: Sendable {
        let subject: String
        let issuer: String
        let dnsNames: [String]
        let uris: [String]
        let serialNumber: String
        let fingerprint: [UInt8]
        let publicKeyHash: [UInt8]
        let der: [UInt8]

        init(_ certificate: OpaquePointer) {
            subject = TLSClientCertificate.text(X509_get_subject_name(certificate))
            issuer = TLSClientCertificate.text(X509_get_issuer_name(certificate))
            let names = CertificateNames(certificate)
            dnsNames = names.dns
            uris = names.uris
            serialNumber = TLSClientCertificate.serialNumber(certificate)
            der = TLSClientCertificate.encoded { i2d_X509(certificate, $0) }
            fingerprint = der.withUnsafeBytes { sha256($0) }
            publicKeyHash = TLSClientCertificate.publicKeyHash(certificate)
        }
    }

    init?(_ ssl: OpaquePointer) {
        guard let certificate = SSL_get0_peer_certificate(ssl) else { return nil }
        storage = Storage(certificate)
        isVerified = SSL_get_verify_result(ssl) == Int(X509_V_OK)
        isVerifiedOnThisConnection = isVerified && SSL_session_reused(ssl) == 0
    }

    /// Certificates are the same when their bytes are.
    public static func == (left: TLSClientCertificate, right: TLSClientCertificate) -> Bool {
        left.isVerified == right.isVerified && left.isVerifiedOnThisConnection == right.isVerifiedOnThisConnection
            && (left.storage === right.storage || left.storage.der == right.storage.der)
    }

    /// Hashes what ``==(_:_:)`` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(fingerprint)
        hasher.combine(isVerified)
        hasher.combine(isVerifiedOnThisConnection)
    }

    static func publicKeyHash(_ certificate: OpaquePointer) -> [UInt8] {
        let key = X509_get_X509_PUBKEY(certificate)
        return encoded { i2d_X509_PUBKEY(key, $0) }.withUnsafeBytes { sha256($0) }
    }

    /// Calls one of OpenSSL's encoders twice: for the length, and for the bytes.
    private static func encoded(
        _ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> CInt
    ) -> [UInt8] {
        let length = Int(max(encode(nil), 0))
        return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            var position = buffer.baseAddress
            count = Int(max(encode(&position), 0))
        }
    }

    private static func text(_ name: OpaquePointer?) -> String {
        guard let name, let writer = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(writer) }
        X509_NAME_print_ex(writer, name, 0, ctls_name_flags())
        return contents(of: writer)
    }

    private static func serialNumber(_ certificate: OpaquePointer) -> String {
        guard let writer = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(writer) }
        i2a_ASN1_INTEGER(writer, X509_get0_serialNumber(certificate))
        return contents(of: writer)
    }

    private static func contents(of writer: OpaquePointer) -> String {
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = BIO_read(writer, &bytes, CInt(bytes.count))
        return String(decoding: bytes.prefix(Int(max(count, 0))), as: UTF8.self)
    }
}
