import CTLS
import Testing

@testable import StickyTLS

@Suite("The machine's openssl.cnf")
struct HostConfigurationTests {
    /// SSL_CTX_new applies the file before anything of ours, so weakening a new context does the same.
    @Test("Nothing that it sets survives")
    func weakened() throws {
        let handle = try ContextHandle()
        let context = handle.pointer
        SSL_CTX_set_security_level(context, 0)
        _ = SSL_CTX_set_cipher_list(context, "ALL:eNULL")
        _ = SSL_CTX_set_ciphersuites(context, "TLS_CHACHA20_POLY1305_SHA256")
        _ = ctls_ctx_set_groups(context, "P-521")
        _ = ctls_ctx_set_signature_algorithms(context, "RSA+SHA1")
        _ = ctls_ctx_set_min_version(context, TLS1_VERSION)
        _ = ctls_ctx_set_max_version(context, TLS1_2_VERSION)
        SSL_CTX_clear_options(context, ~0)
        SSL_CTX_set_options(context, ~ctls_options())
        ctls_ctx_clear_mode(context, ~0)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        SSL_CTX_set_quiet_shutdown(context, 1)
        SSL_CTX_set_max_early_data(context, 16_384)
        SSL_CTX_set_num_tickets(context, 5)
        ctls_ctx_set_read_ahead(context, 1)

        try handle.apply(TLSConfiguration(identities: []))

        #expect(SSL_CTX_get_options(context) == ctls_options())
        #expect(SSL_CTX_get_security_level(context) == 2)
        #expect(SSL_CTX_get_verify_mode(context) == SSL_VERIFY_NONE)
        #expect(SSL_CTX_get_quiet_shutdown(context) == 0)
        #expect(SSL_CTX_get_max_early_data(context) == 0)
        #expect(SSL_CTX_get_num_tickets(context) == 1)
        #expect(SSL_CTX_get_timeout(context) == 7200)
        #expect(SSL_CTX_ctrl(context, SSL_CTRL_GET_MIN_PROTO_VERSION, 0, nil) == Int(TLS1_2_VERSION))
        #expect(SSL_CTX_ctrl(context, SSL_CTRL_GET_MAX_PROTO_VERSION, 0, nil) == Int(TLS1_3_VERSION))
        #expect(SSL_CTX_ctrl(context, SSL_CTRL_GET_READ_AHEAD, 0, nil) == 0)
        #expect(SSL_CTX_ctrl(context, SSL_CTRL_GET_MAX_CERT_LIST, 0, nil) == 32 * 1024)
        #expect(SSL_CTX_ctrl(context, SSL_CTRL_GET_SESS_CACHE_MODE, 0, nil) == Int(SSL_SESS_CACHE_OFF))
        let mode = UInt32(truncatingIfNeeded: SSL_CTX_ctrl(context, SSL_CTRL_MODE, 0, nil))
        #expect(mode & SSL_MODE_RELEASE_BUFFERS != 0)
        #expect(mode & SSL_MODE_AUTO_RETRY != 0)

        let ciphers = SSL_CTX_get_ciphers(context)
        let names = (0..<OPENSSL_sk_num(ciphers)).map { index in
            String(cString: SSL_CIPHER_get_name(OpaquePointer(OPENSSL_sk_value(ciphers, index))))
        }
        let defaults = TLSConfiguration(identities: [])
        #expect(names == defaults.cipherSuites + defaults.ciphersForTLS12)
    }
}
