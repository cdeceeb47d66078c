internal import CTLS

/// Why a connection cannot go on.
public struct TLSFailure: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is. More kinds may come.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        let name: String

        /// The client spoke plain HTTP. ``TLSFailure/head`` has the first bytes of its request; the rest is what was
        /// not consumed. Nothing was answered, so an adapter may answer in HTTP.
        public static let plainHTTP = Kind(name: "plain HTTP")
        /// The client's first bytes are not TLS.
        public static let notTLS = Kind(name: "not TLS")
        /// The client gave up with an alert.
        public static let peerAlert = Kind(name: "alert from the client")
        /// The client wants what the server does not do: no version, cipher or protocol in common.
        public static let refused = Kind(name: "refused")
        /// The client asks for a name that is not served.
        public static let unknownName = Kind(name: "unknown name")
        /// The client's certificate is missing, does not hold or is not allowed.
        public static let clientCertificate = Kind(name: "client certificate")
        /// The client went beyond a limit: the size of its hello, or how often it may ask for new keys.
        public static let limit = Kind(name: "limit")
        /// The client broke the protocol, or its bytes were changed on the way.
        public static let protocolViolation = Kind(name: "protocol violation")
        /// The session was used after its end (`send` after `close`).
        public static let misuse = Kind(name: "misuse")
        /// OpenSSL failed on this side.
        public static let `internal` = Kind(name: "internal")

        /// A word or two for logs.
        public var description: String { name }
    }

    // One reference, so that TLSStatus stays small and a step that goes well copies nothing.
    private final class Storage: Sendable {
        let kind: Kind
        let alert: TLSAlert?
        let reason: String
        let serverName: String?
        let head: [UInt8]

        init(kind: Kind, alert: TLSAlert?, reason: String, serverName: String?, head: [UInt8]) {
            self.kind = kind
            self.alert = alert
            self.reason = reason
            self.serverName = serverName
            self.head = head
        }
    }

    private let storage: Storage

    init(kind: Kind, alert: TLSAlert? = nil, reason: String, serverName: String? = nil, head: [UInt8] = []) {
        storage = Storage(kind: kind, alert: alert, reason: reason, serverName: serverName, head: head)
    }

    /// What kind of failure it is.
    public var kind: Kind { storage.kind }
    /// The alert that was sent or received, if one was.
    public var alert: TLSAlert? { storage.alert }
    /// OpenSSL's reason by name, such as `no shared cipher`.
    public var reason: String { storage.reason }
    /// The name that the client asked for (SNI), as far as it is known.
    public var serverName: String? { storage.serverName }
    /// For ``Kind/plainHTTP`` and ``Kind/notTLS``: the client's first bytes, at most 5, which the session has taken.
    public var head: [UInt8] { storage.head }
    /// Whether the client is to blame. Such failures are daily bread on the internet; others need somebody's eye.
    public var isClientFault: Bool { kind != .internal && kind != .misuse }

    /// `refused: no shared cipher (sent handshake_failure)`.
    public var description: String {
        "\(kind): \(reason)" + (alert.map { " (\($0))" } ?? "")
    }
}

extension TLSFailure {
    /// Reads OpenSSL's reason from the thread's queue and empties it.
    init(_ ssl: OpaquePointer, transport: UnsafeMutablePointer<Transport>) {
        let error = ERR_peek_last_error()
        if let failure = TLSFailure.refusal(transport) {
            ERR_clear_error()
            self = failure
            return
        }
        ERR_clear_error()
        let code = ERR_GET_REASON(error)
        let isSSL = error != 0 && ERR_GET_LIB(error) == ERR_LIB_SSL
        let alert = transport.pointee.lastAlert
        let head = transport.pointee.head
        let kind: Kind
        if TLSFailure.looksLikeHTTP(head) {
            kind = .plainHTTP
        } else if isSSL, code == SSL_R_WRONG_VERSION_NUMBER, head.first != 0x16 {
            kind = .notTLS
        } else if isSSL, TLSFailure.clientCertificateReasons.contains(code) {
            kind = .clientCertificate
        } else if let alert, !alert.wasSent {
            kind = .peerAlert
        } else if alert?.number == UInt8(SSL_AD_INTERNAL_ERROR) || ERR_FATAL_ERROR(error) != 0 {
            kind = .internal
        } else if isSSL, TLSFailure.refusals.contains(code) {
            kind = .refused
        } else if isSSL {
            kind = .protocolViolation
        } else {
            kind = .internal
        }
        self.init(
            kind: kind,
            alert: alert,
            reason: TLSFailure.verification(ssl, code, isSSL) ?? openSSLReason(error) ?? "no reason given",
            serverName: transport.pointee.serverName,
            head: kind == .plainHTTP || kind == .notTLS ? head : []
        )
    }

    /// What we refuse ourselves.
    private static func refusal(_ transport: UnsafeMutablePointer<Transport>) -> TLSFailure? {
        let kind: Kind
        let reason: String
        switch transport.pointee.refusal {
        case .none: return nil
        case .unknownName: (kind, reason) = (.unknownName, "unknown server name")
        case .changedName: (kind, reason) = (.protocolViolation, "server name changed")
        case .tooManyKeyUpdates: (kind, reason) = (.limit, "too many key updates")
        case .helloTooLarge:
            (kind, reason) = (.limit, "client hello too large")
            // No keys yet, so the alert is in clear: fatal, illegal_parameter, as OpenSSL says to a long message.
            let record: [UInt8] = [0x15, 3, 3, 0, 2, 2, UInt8(SSL_AD_ILLEGAL_PARAMETER)]
            record.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { transport.pointee.write(base, bytes.count) }
            }
            transport.pointee.lastAlert = TLSAlert(number: UInt8(SSL_AD_ILLEGAL_PARAMETER), wasSent: true)
        }
        let name = transport.pointee.serverName
        return TLSFailure(kind: kind, alert: transport.pointee.lastAlert, reason: reason, serverName: name)
    }

    private static let clientCertificateReasons: Set<CInt> = [
        SSL_R_CERTIFICATE_VERIFY_FAILED, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,
    ]

    /// What is wrong with the client's certificate.
    private static func verification(_ ssl: OpaquePointer, _ code: CInt, _ isSSL: Bool) -> String? {
        guard isSSL, code == SSL_R_CERTIFICATE_VERIFY_FAILED else { return nil }
        let result = SSL_get_verify_result(ssl)
        if result == Int(X509_V_ERR_APPLICATION_VERIFICATION) { return "client certificate not allowed" }
        return X509_verify_cert_error_string(result).map { String(cString: $0) }
    }

    private static let refusals: Set<CInt> = [
        SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
        SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_UNSUPPORTED_PROTOCOL,
        SSL_R_NO_SUITABLE_GROUPS, SSL_R_INAPPROPRIATE_FALLBACK, SSL_R_VERSION_TOO_LOW,
    ]

    /// OpenSSL knows four methods; clients use more.
    private static func looksLikeHTTP(_ head: [UInt8]) -> Bool {
        guard head.count == 5 else { return false }
        let methods = [
            "GET /", "GET h", "POST ", "HEAD ", "PUT /", "OPTIO", "DELET", "PATCH", "TRACE", "CONNE", "PRI *",
        ]
        return methods.contains { $0.utf8.elementsEqual(head) }
    }
}
