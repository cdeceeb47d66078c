internal import CTLS

/// What client and server agreed on.
public struct TLSConnectionInfo: Sendable, Hashable {
    /// The protocol version.
    public let version: TLSVersion
    /// The cipher's name in OpenSSL, such as `TLS_AES_128_GCM_SHA256`.
    public let cipher: String
    /// The group of the key exchange, such as `X25519` or `P-256`; nil when a TLS 1.2 session was resumed.
    public let group: String?
    /// The application protocol (ALPN); nil when the client offered none.
    public let applicationProtocol: String?
    /// The name that the client asked for (SNI), in lower case and without a dot at the end; nil when it did not say.
    public let serverName: String?
    /// Whether an earlier session was resumed, without a new proof of the certificate.
    public let isResumed: Bool
    /// The client's certificate; nil when it was not asked for, or the client has none.
    public let clientCertificate: TLSClientCertificate?

    init(_ ssl: OpaquePointer, serverName: String?, clientCertificate: TLSClientCertificate?) {
        version = TLSVersion(rawValue: UInt16(truncatingIfNeeded: SSL_version(ssl)))
        cipher = SSL_get_current_cipher(ssl).flatMap { SSL_CIPHER_get_name($0) }.map { String(cString: $0) } ?? ""
        isResumed = SSL_session_reused(ssl) == 1
        group = TLSConnectionInfo.groupName(ctls_negotiated_group(ssl))
        applicationProtocol = TLSConnectionInfo.applicationProtocol(ssl)
        self.serverName = serverName
        self.clientCertificate = clientCertificate
    }

    static func applicationProtocol(_ ssl: OpaquePointer) -> String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        guard let name, count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }

    static func groupName(_ nid: CInt) -> String? {
        guard nid > 0 else { return nil }
        // "P-256" for what OpenSSL calls prime256v1.
        if let name = EC_curve_nid2nist(nid) { return String(cString: name) }
        return OBJ_nid2sn(nid).map { String(cString: $0) }
    }
}
