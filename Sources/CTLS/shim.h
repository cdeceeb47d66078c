// What Swift cannot import from OpenSSL 3: twins of function-like macros, and the four calls of the hot path, each
// with the error queue cleared before it and the verdict fetched after it, so that Swift makes one call per operation.
// There is no logic here. The module does not re-export the C library: Swift code imports Glibc or Darwin itself, and
// then `close` and `write` each have one meaning.
#ifndef STICKY_CTLS_SHIM_H
#define STICKY_CTLS_SHIM_H

#include <openssl/bio.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ocsp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "StickyTLS needs OpenSSL 3.0 or later"
#endif

// The hot path. Each returns SSL_ERROR_NONE or what SSL_get_error says. The thread's error queue is cleared first,
// because SSL_get_error looks into it and would take an older entry, of any connection, for this call's failure.

// Looking is four times cheaper than clearing what is empty.
static inline void ctls_clear_errors(void) {
    if (ERR_peek_error() != 0) ERR_clear_error();
}

static inline int ctls_do_handshake(SSL *ssl) {
    ctls_clear_errors();
    int result = SSL_do_handshake(ssl);
    return result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);
}

static inline int ctls_read(SSL *ssl, void *buffer, size_t capacity, size_t *count) {
    ctls_clear_errors();
    int result = SSL_read_ex(ssl, buffer, capacity, count);
    return result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);
}

static inline int ctls_write(SSL *ssl, const void *bytes, size_t length, size_t *count) {
    ctls_clear_errors();
    int result = SSL_write_ex(ssl, bytes, length, count);
    return result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);
}

// SSL_shutdown answers 0 when our close_notify is out and the peer's has not come: nothing is wrong.
static inline int ctls_shutdown(SSL *ssl) {
    ctls_clear_errors();
    int result = SSL_shutdown(ssl);
    return result >= 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);
}

// Macro-only names.

static inline void ctls_ctx_set_mode(SSL_CTX *ctx, uint32_t mode) { SSL_CTX_set_mode(ctx, mode); }
static inline void ctls_ctx_clear_mode(SSL_CTX *ctx, uint32_t mode) { SSL_CTX_clear_mode(ctx, mode); }
static inline int ctls_ctx_set_min_version(SSL_CTX *ctx, int version) {
    return (int)SSL_CTX_set_min_proto_version(ctx, version);
}
static inline int ctls_ctx_set_max_version(SSL_CTX *ctx, int version) {
    return (int)SSL_CTX_set_max_proto_version(ctx, version);
}
static inline void ctls_ctx_set_session_cache_off(SSL_CTX *ctx) {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}
static inline int ctls_ctx_set_groups(SSL_CTX *ctx, const char *list) {
    return (int)SSL_CTX_set1_groups_list(ctx, list);
}
static inline int ctls_ctx_set_signature_algorithms(SSL_CTX *ctx, const char *list) {
    return (int)SSL_CTX_set1_sigalgs_list(ctx, list);
}
static inline void ctls_ctx_set_dh_auto(SSL_CTX *ctx, int on) { SSL_CTX_set_dh_auto(ctx, on); }
static inline void ctls_ctx_set_max_cert_list(SSL_CTX *ctx, long bytes) { SSL_CTX_set_max_cert_list(ctx, bytes); }
static inline void ctls_ctx_set_read_ahead(SSL_CTX *ctx, int on) { SSL_CTX_set_read_ahead(ctx, on); }
static inline void ctls_ctx_set_servername_callback(SSL_CTX *ctx, int (*callback)(SSL *, int *, void *)) {
    SSL_CTX_set_tlsext_servername_callback(ctx, callback);
}
static inline void ctls_set_msg_callback_arg(SSL *ssl, void *arg) { SSL_set_msg_callback_arg(ssl, arg); }
static inline void ctls_set_app_data(SSL *ssl, void *data) { SSL_set_app_data(ssl, data); }
static inline void *ctls_get_app_data(const SSL *ssl) { return SSL_get_app_data(ssl); }
static inline int ctls_negotiated_group(SSL *ssl) { return (int)SSL_get_negotiated_group(ssl); }
static inline int ctls_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

static inline void ctls_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline void ctls_bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }

static inline uint64_t ctls_options(void) {
    return SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE
        | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_ENABLE_MIDDLEBOX_COMPAT;
}
static inline uint64_t ctls_option_no_ticket(void) { return SSL_OP_NO_TICKET; }

// The names of EVP_MAC parameters as C strings that live for ever, for OSSL_PARAM arrays that are kept.
static inline const char *ctls_mac_param_key(void) { return OSSL_MAC_PARAM_KEY; }
static inline const char *ctls_mac_param_digest(void) { return OSSL_MAC_PARAM_DIGEST; }
static inline const char *ctls_digest_sha256(void) { return "SHA256"; }

static inline uint64_t ctls_option_no_renegotiation(void) { return SSL_OP_NO_RENEGOTIATION; }
static inline int ctls_ctx_set_status_callback(SSL_CTX *ctx, int (*callback)(SSL *, void *)) {
    return (int)SSL_CTX_set_tlsext_status_cb(ctx, callback);
}
// The SSL takes the bytes over, which must come from ctls_malloc.
static inline int ctls_set_ocsp_response(SSL *ssl, void *bytes, long count) {
    return (int)SSL_set_tlsext_status_ocsp_resp(ssl, bytes, count);
}
static inline int ctls_request_status(SSL *ssl) { return (int)SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp); }
static inline long ctls_get_ocsp_response(SSL *ssl, const unsigned char **bytes) {
    return SSL_get_tlsext_status_ocsp_resp(ssl, bytes);
}

static inline unsigned long ctls_name_flags(void) { return XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB; }

// Deprecated for whoever might mean EVP; here the layer below is meant.
static inline int ctls_sha256_init(SHA256_CTX *state) { return SHA256_Init(state); }
static inline int ctls_sha256_update(SHA256_CTX *state, const void *bytes, size_t count) {
    return SHA256_Update(state, bytes, count);
}
static inline int ctls_sha256_final(void *digest, SHA256_CTX *state) { return SHA256_Final(digest, state); }
static inline int ctls_sha384_init(SHA512_CTX *state) { return SHA384_Init(state); }
static inline int ctls_sha384_update(SHA512_CTX *state, const void *bytes, size_t count) {
    return SHA384_Update(state, bytes, count);
}
static inline int ctls_sha384_final(void *digest, SHA512_CTX *state) { return SHA384_Final(digest, state); }

static inline void *ctls_malloc(size_t count) { return OPENSSL_malloc(count); }
static inline void ctls_clear_free(void *bytes, size_t count) { OPENSSL_clear_free(bytes, count); }

#endif
