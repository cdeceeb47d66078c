internal import CTLS

/// One `SSL_CTX`: a set of certificates, at most one of each kind of key, under one policy for clients.
///
/// Unchecked: nothing is written after `init`; OpenSSL counts references to an `SSL_CTX` by itself.
final class HostContext: @unchecked Sendable {
    let handle: ContextHandle
    let policy: ClientPolicy
    let identities: [LoadedIdentity]
    let ticketCount: Int

    init(
        _ identities: [LoadedIdentity],
        policy: ClientPolicy,
        configuration: TLSConfiguration
    ) throws(TLSError) {
        self.identities = identities
        self.policy = policy
        ticketCount = policy.isAsked ? policy.configuration.ticketCount : configuration.ticketCount
        handle = try ContextHandle(properties: configuration.algorithmProperties)
        // Ciphers and level first: OpenSSL checks certificates against them.
        try handle.apply(configuration)
        for identity in identities { try handle.use(identity, file: identity.file) }
        try handle.apply(policy, ticketCount: ticketCount, oldest: configuration.minimumVersion)
    }

    /// Moves a connection, whose hello has just come, from the context that it began with to this one.
    ///
    /// SSL_set_SSL_CTX takes certificates, authorities and the session context over, and nothing else: verification
    /// and tickets are set by hand. Options, versions and groups are the same in all contexts of a configuration.
    func take(_ ssl: OpaquePointer) -> Bool {
        guard SSL_get_SSL_CTX(ssl) != handle.pointer else { return true }
        guard SSL_set_SSL_CTX(ssl, handle.pointer) != nil else { return false }
        SSL_set_verify(ssl, policy.verifyMode, policy.isAsked ? onVerify : nil)
        SSL_set_verify_depth(ssl, CInt(clamping: policy.configuration.maximumDepth))
        let parameters = SSL_get0_param(ssl)
        X509_VERIFY_PARAM_clear_flags(parameters, HostContext.revocationFlags)
        if policy.hasRevocationLists { X509_VERIFY_PARAM_set_flags(parameters, HostContext.revocationFlags) }
        SSL_set_num_tickets(ssl, ticketCount)
        if ticketCount == 0 {
            SSL_set_options(ssl, ctls_option_no_ticket())
        } else {
            SSL_clear_options(ssl, ctls_option_no_ticket())
        }
        return true
    }

    static let revocationFlags = UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)
}
