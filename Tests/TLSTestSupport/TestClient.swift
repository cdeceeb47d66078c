internal import CTLS
public import StickyTLS

/// An OpenSSL client on memory BIOs: bytes from the server go in, bytes for the server come out.
public final class TestClient {
    /// How the client is.
    public struct Options {
        public var minimumVersion: CInt
        public var maximumVersion: CInt
        public var cipherList: String?
        public var groups: String?
        public var signatureAlgorithms: String?
        public var applicationProtocols: [String]
        public var serverName: String?
        public var identity: TestIdentity?
        public var wantsStaple: Bool

        public init(
            minimumVersion: CInt = CInt(TLSVersion.v1_2.rawValue),
            maximumVersion: CInt = CInt(TLSVersion.v1_3.rawValue),
            cipherList: String? = nil,
            groups: String? = nil,
            signatureAlgorithms: String? = nil,
            applicationProtocols: [String] = [],
            serverName: String? = "localhost",
            identity: TestIdentity? = nil,
            wantsStaple: Bool = false
        ) {
            self.minimumVersion = minimumVersion
            self.maximumVersion = maximumVersion
            self.cipherList = cipherList
            self.groups = groups
            self.signatureAlgorithms = signatureAlgorithms
            self.applicationProtocols = applicationProtocols
            self.serverName = serverName
            self.identity = identity
            self.wantsStaple = wantsStaple
        }
    }

    public let ssl: OpaquePointer
    private let context: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    public private(set) var received: [UInt8] = []
    public private(set) var handshakeDone = false
    public private(set) var error: CInt = SSL_ERROR_NONE
    public private(set) var reason = ""

    public init(_ options: Options = Options(), session: OpaquePointer? = nil) {
        context = SSL_CTX_new(TLS_client_method())!
        SSL_CTX_set_security_level(context, 0)
        ctls_ctx_set_min_version(context, options.minimumVersion)
        ctls_ctx_set_max_version(context, options.maximumVersion)
        if let list = options.cipherList { SSL_CTX_set_cipher_list(context, list) }
        if let groups = options.groups { _ = ctls_ctx_set_groups(context, groups) }
        if let list = options.signatureAlgorithms { _ = ctls_ctx_set_signature_algorithms(context, list) }
        if let identity = options.identity {
            let context = self.context
            identity.withObjects { certificate, key in
                _ = SSL_CTX_use_cert_and_key(context, certificate, key, nil, 1)
            }
        }
        ssl = SSL_new(context)!
        if options.wantsStaple { _ = ctls_request_status(ssl) }
        incoming = BIO_new(BIO_s_mem())!
        outgoing = BIO_new(BIO_s_mem())!
        SSL_set_bio(ssl, incoming, outgoing)
        SSL_set_connect_state(ssl)
        if let name = options.serverName { _ = ctls_set_server_name(ssl, name) }
        let wire = options.applicationProtocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        if !wire.isEmpty { SSL_set_alpn_protos(ssl, wire, UInt32(wire.count)) }
        if let session { SSL_set_session(ssl, session) }
    }

    deinit {
        // Else a session that was resumed here could not be resumed again.
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    /// Takes what the server sent and returns what the client answers.
    @discardableResult
    public func step(_ bytes: some Collection<UInt8> = []) -> [UInt8] {
        put(Array(bytes))
        if error == SSL_ERROR_NONE, !handshakeDone {
            let result = ctls_do_handshake(ssl)
            handshakeDone = result == SSL_ERROR_NONE
            note(result)
        }
        if handshakeDone { readAll() }
        return take()
    }

    /// Encrypts. Only for an open connection.
    public func send(_ bytes: [UInt8]) -> [UInt8] {
        var sent = 0
        while sent < bytes.count {
            var count = 0
            let result = bytes.withUnsafeBytes {
                ctls_write(ssl, $0.baseAddress! + sent, $0.count - sent, &count)
            }
            guard result == SSL_ERROR_NONE else { break }
            sent += count
        }
        return take()
    }

    public func close() -> [UInt8] {
        _ = ctls_shutdown(ssl)
        return take()
    }

    /// Asks for new keys, and for new keys of the server.
    public func updateKeys() -> [UInt8] {
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED)
        _ = ctls_do_handshake(ssl)
        return take()
    }

    public func takeReceived() -> [UInt8] {
        defer { received = [] }
        return received
    }

    /// The server's certificate, as PEM.
    public var serverCertificate: [UInt8]? {
        SSL_get0_peer_certificate(ssl).map { certificate in
            TestIdentity.text { PEM_write_bio_X509($0, certificate) }
        }
    }

    /// The OCSP response that the server sent.
    public var staple: [UInt8]? {
        var bytes: UnsafePointer<UInt8>?
        let count = ctls_get_ocsp_response(ssl, &bytes)
        guard count > 0, let bytes else { return nil }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }

    /// The server's close_notify was seen.
    public var serverHasClosed: Bool { SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 }
    public var resumed: Bool { SSL_session_reused(ssl) == 1 }
    /// A session to resume with. Free it with SSL_SESSION_free.
    public var session: OpaquePointer? {
        // Without a close_notify the library would mark the session as not to be resumed.
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        return SSL_get1_session(ssl)
    }

    private func readAll() {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while error == SSL_ERROR_NONE {
            var count = 0
            let result = ctls_read(ssl, &buffer, buffer.count, &count)
            guard result == SSL_ERROR_NONE else { return note(result) }
            received += buffer.prefix(count)
        }
    }

    private func note(_ result: CInt) {
        guard result != SSL_ERROR_NONE, result != SSL_ERROR_WANT_READ else { return }
        error = result
        let code = ERR_peek_last_error()
        reason = code == 0 ? "" : ERR_reason_error_string(code).map { String(cString: $0) } ?? ""
    }

    private func put(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        BIO_write(incoming, bytes, CInt(bytes.count))
    }

    private func take() -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = BIO_read(outgoing, &buffer, CInt(buffer.count))
            guard count > 0 else { return all }
            all += buffer.prefix(Int(count))
        }
    }
}
