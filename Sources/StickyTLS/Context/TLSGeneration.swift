internal import CTLS

/// Everything that a connection needs at one time: certificates, policies and ticket keys. A connection keeps the one
/// that it began with.
final class TLSGeneration: Sendable {
    let number: Int
    let configuration: TLSConfiguration
    let hosts: HostTable
    let tickets: TicketSealer
    /// Our protocols, best first, as the callback compares them.
    let applicationProtocols: [[UInt8]]
    let counters: TLSCounters
    let keyLog: KeyLog?

    init(
        number: Int,
        configuration: TLSConfiguration,
        hosts: HostTable,
        tickets: TicketSealer,
        counters: TLSCounters,
        keyLog: KeyLog?
    ) {
        self.number = number
        self.configuration = configuration
        self.hosts = hosts
        self.tickets = tickets
        self.counters = counters
        self.keyLog = keyLog
        applicationProtocols = configuration.applicationProtocols.map { Array($0.utf8) }
    }

    /// The same certificates with other ticket keys.
    func with(_ tickets: TicketSealer) -> TLSGeneration {
        TLSGeneration(
            number: number,
            configuration: configuration,
            hosts: hosts,
            tickets: tickets,
            counters: counters,
            keyLog: keyLog
        )
    }

    /// Opens the key log, if one is wanted, and says so.
    static func keyLog(for configuration: TLSConfiguration) throws(TLSError) -> KeyLog? {
        guard let file = configuration.insecureKeyLogFile else { return nil }
        let log = try KeyLog(file)
        configuration.onEvent(.keyLogIsOn(file: file))
        return log
    }

    static func hosts(for configuration: TLSConfiguration, files: TLSFileReader) throws(TLSError) -> HostTable {
        guard configuration.applicationProtocols.allSatisfy({ (1...255).contains($0.utf8.count) }) else {
            throw TLSError(.invalidConfiguration, "A protocol's name (ALPN) has 1 to 255 bytes.")
        }
        let hosts = try HostTable(configuration, files: files)
        for host in hosts.contexts {
            installCallbacks(host.handle.pointer)
            if configuration.insecureKeyLogFile != nil {
                SSL_CTX_set_keylog_callback(host.handle.pointer, onKeyLog)
            }
        }
        ERR_clear_error()
        return hosts
    }

    /// On every context: OpenSSL asks that of the listener for some things, that of the name for others.
    private static func installCallbacks(_ context: OpaquePointer) {
        SSL_CTX_set_client_hello_cb(context, onClientHello, nil)
        ctls_ctx_set_servername_callback(context, onServerName)
        SSL_CTX_set_alpn_select_cb(context, onProtocolOffer, nil)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, onTicketKey)
        SSL_CTX_set_session_ticket_cb(context, onTicketMade, onTicketOpened, nil)
        _ = ctls_ctx_set_status_callback(context, onStatusRequest)
        SSL_CTX_set_msg_callback(context, onMessage)
    }
}
