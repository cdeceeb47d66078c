internal import CTLS

/// Everything that the TLS connections of a worker share: certificates, policy and ticket keys, checked and ready.
///
/// Make one when the worker starts and keep it; it may be used on any thread. To change a certificate or the policy,
/// make another one and give it to new sessions. Sessions keep the one that they began with.
///
/// Unchecked: `handle` and the protocol list are set up in `init` and only read afterwards. OpenSSL counts references
/// to an `SSL_CTX` and locks what it changes inside by itself (openssl-threads(7)).
public final class TLSContext: @unchecked Sendable {
    let handle: ContextHandle
    let ticketKeys: TicketKeyRing
    /// Our protocols, best first, as the callback compares them.
    let applicationProtocols: [[UInt8]]

    /// The configuration that the context was made from.
    public let configuration: TLSConfiguration

    /// Reads the identities' files and builds the context.
    ///
    /// - Throws: The first thing that is wrong, with its file. Nothing half-made stays behind.
    public init(_ configuration: TLSConfiguration) throws(TLSError) {
        guard !configuration.identities.isEmpty else {
            throw TLSError(.noIdentity, "TLS needs a certificate with its key. Give at least one identity.")
        }
        self.configuration = configuration
        applicationProtocols = configuration.applicationProtocols.map { Array($0.utf8) }
        guard applicationProtocols.allSatisfy({ (1...255).contains($0.count) }) else {
            throw TLSError(.invalidConfiguration, "A protocol's name (ALPN) has 1 to 255 bytes.")
        }
        ticketKeys = try TicketKeyRing(configuration.ticketKeys.isEmpty ? [TicketKeys()] : configuration.ticketKeys)
        handle = try ContextHandle()
        // Ciphers and level first: OpenSSL checks certificates against them.
        try handle.apply(configuration)
        for identity in configuration.identities {
            try handle.use(LoadedIdentity(identity), file: identity.certificates.file)
        }
        installCallbacks()
        ERR_clear_error()
    }

    private func installCallbacks() {
        SSL_CTX_set_client_hello_cb(handle.pointer, onClientHello, nil)
        ctls_ctx_set_servername_callback(handle.pointer, onServerName)
        SSL_CTX_set_alpn_select_cb(handle.pointer, onProtocolOffer, nil)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(handle.pointer, onTicketKey)
        SSL_CTX_set_msg_callback(handle.pointer, onMessage)
    }
}
