internal import CTLS

/// An `SSL_CTX` with one owner, set up from a configuration and never changed afterwards.
struct ContextHandle: ~Copyable {
    let pointer: OpaquePointer

    init(properties: String? = nil) throws(TLSError) {
        ERR_clear_error()
        guard let pointer = SSL_CTX_new_ex(nil, properties, TLS_server_method()) else {
            throw TLSError.fromQueue(.openSSL, "OpenSSL cannot make a context.")
        }
        self.pointer = pointer
    }

    deinit {
        SSL_CTX_free(pointer)
    }

    /// Sets everything that the machine's openssl.cnf could have set otherwise.
    func apply(_ configuration: TLSConfiguration) throws(TLSError) {
        SSL_CTX_clear_options(pointer, ~ctls_options())
        SSL_CTX_set_options(pointer, ctls_options())
        ctls_ctx_clear_mode(pointer, ~0)
        ctls_ctx_set_mode(
            pointer,
            // AUTO_RETRY: without it a read returns after a message such as KeyUpdate, as if more input were needed.
            SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY
                | SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN
        )
        SSL_CTX_set_security_level(pointer, CInt(clamping: configuration.securityLevel))
        SSL_CTX_set_verify(pointer, SSL_VERIFY_NONE, nil)
        SSL_CTX_set_quiet_shutdown(pointer, 0)
        SSL_CTX_set_max_early_data(pointer, 0)
        ctls_ctx_set_session_cache_off(pointer)
        ctls_ctx_set_dh_auto(pointer, 0)
        // Ciphertext that is not needed yet stays with the caller, which is what holds a fast sender back.
        ctls_ctx_set_read_ahead(pointer, 0)
        try setVersions(configuration)
        try setAlgorithms(configuration)
        try setLimits(configuration)
        try set(ticketCount: configuration.ticketCount)
    }

    private func setVersions(_ configuration: TLSConfiguration) throws(TLSError) {
        let (oldest, newest) = (configuration.minimumVersion, configuration.maximumVersion)
        guard oldest <= newest,
            ctls_ctx_set_min_version(pointer, CInt(oldest.rawValue)) == 1,
            ctls_ctx_set_max_version(pointer, CInt(newest.rawValue)) == 1
        else {
            throw TLSError(.invalidConfiguration, "There is no TLS version from \(oldest) to \(newest).")
        }
    }

    private func setAlgorithms(_ configuration: TLSConfiguration) throws(TLSError) {
        // SSL_CTX_set_cipher_list skips names that it does not know; a misspelt one should not go unnoticed.
        try set("TLS 1.2 cipher", configuration.ciphersForTLS12) { SSL_CTX_set_cipher_list(pointer, $0) }
        try set("TLS 1.3 cipher suite", configuration.cipherSuites) { SSL_CTX_set_ciphersuites(pointer, $0) }
        try set("group", configuration.groups) { ctls_ctx_set_groups(pointer, $0) }
        try set("signature algorithm", configuration.signatureAlgorithms) {
            ctls_ctx_set_signature_algorithms(pointer, $0)
        }
    }

    /// Tries each name alone, so that the error can name it, and then the list.
    private func set(_ what: String, _ names: [String], _ body: (String) -> CInt) throws(TLSError) {
        guard !names.isEmpty else {
            throw TLSError(.invalidConfiguration, "The list of \(what)s is empty. Leave the default or name one.")
        }
        for name in names {
            guard name.allSatisfy({ $0.isASCII && $0 != "\0" }), body(name) == 1 else {
                throw TLSError.fromQueue(.invalidConfiguration, "OpenSSL has no \(what) named \"\(name)\".")
            }
        }
        guard body(names.joined(separator: ":")) == 1 else {
            throw TLSError.fromQueue(.invalidConfiguration, "OpenSSL does not take this list of \(what)s: \(names).")
        }
    }

    private func setLimits(_ configuration: TLSConfiguration) throws(TLSError) {
        ctls_ctx_set_max_cert_list(pointer, configuration.maximumCertificateListSize)
        // RFC 8446 4.6.1: at most seven days.
        let lifetime = configuration.ticketLifetime.components.seconds
        guard (1...(7 * 86_400)).contains(lifetime) else {
            throw TLSError(.invalidConfiguration, "A ticket lives 1 second to 7 days, not \(lifetime) seconds.")
        }
        SSL_CTX_set_timeout(pointer, Int(lifetime))
    }

    /// Sets what is asked of clients.
    func apply(_ policy: ClientPolicy, ticketCount: Int, oldest: TLSVersion) throws(TLSError) {
        SSL_CTX_set_verify(pointer, policy.verifyMode, policy.isAsked ? onVerify : nil)
        SSL_CTX_set_verify_depth(pointer, CInt(clamping: policy.configuration.maximumDepth))
        if policy.hasRevocationLists {
            X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(pointer), HostContext.revocationFlags)
        }
        if policy.isAsked {
            X509_STORE_up_ref(policy.store)
            SSL_CTX_set_cert_store(pointer, policy.store)
            for index in 0..<max(OPENSSL_sk_num(policy.authorities.handle), 0) {
                SSL_CTX_add_client_CA(pointer, OpaquePointer(OPENSSL_sk_value(policy.authorities.handle, index)))
            }
        }
        try set(ticketCount: ticketCount)
        // A session resumes only under the policy that it was made under, which this name stands for.
        var fingerprint = Fingerprint()
        fingerprint.add("StickyTLS 2 \(oldest)")
        policy.name.withUnsafeBytes { fingerprint.add($0) }
        let name = fingerprint.finish()
        guard SSL_CTX_set_session_id_context(pointer, name, UInt32(name.count)) == 1 else {
            throw TLSError.fromQueue(.openSSL, "OpenSSL does not take the session context.")
        }
    }

    private func set(ticketCount: Int) throws(TLSError) {
        guard (0...16).contains(ticketCount) else {
            throw TLSError(.invalidConfiguration, "The number of tickets is 0 to 16, not \(ticketCount).")
        }
        SSL_CTX_set_num_tickets(pointer, ticketCount)
        if ticketCount == 0 { SSL_CTX_set_options(pointer, ctls_option_no_ticket()) }
    }

    func use(_ identity: LoadedIdentity, file: String?) throws(TLSError) {
        ERR_clear_error()
        if SSL_CTX_use_cert_and_key(pointer, identity.leaf.handle, identity.key.handle, identity.chain.handle, 0) == 1 {
            return
        }
        if ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_NOT_REPLACING_CERTIFICATE {
            throw TLSError.fromQueue(
                .identityConflict,
                "Two identities have keys of the same kind. Give at most one RSA and one ECDSA certificate.",
                file: file
            )
        }
        throw TLSError.fromQueue(
            .certificateRejected,
            "OpenSSL does not serve the certificate\(file.map { " in \($0)" } ?? "").",
            file: file
        )
    }
}
