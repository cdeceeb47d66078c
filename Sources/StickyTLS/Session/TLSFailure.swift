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
    init(transport: UnsafeMutablePointer<Transport>) {
        let error = ERR_peek_last_error()
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
            reason: openSSLReason(error) ?? "no reason given",
            serverName: transport.pointee.serverName,
            head: kind == .plainHTTP || kind == .notTLS ? head : []
        )
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
