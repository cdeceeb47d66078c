// TLS 1.2 and 1.3 by the system's libssl: an ordinary client, which costs more CPU than the server.
#include "load.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

static const struct options *options;
static SSL_CTX *context;
static SSL_SESSION *sessions[MAX_SOURCES]; // one a source address, because sources are routed apart
static int session_count;
static char description[128] = "none";

// The suites in the order of browsers; OpenSSL's own puts AES-256 first, which costs the server more.
static const char suites_13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char suites_12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

static int keep_session(SSL *ssl, SSL_SESSION *session) {
    struct connection *c = SSL_get_app_data(ssl);
    if (sessions[c->source]) return 0; // one is enough, and all connections of this source use it
    sessions[c->source] = session;
    // From here on none is kept. The switch matters: a TLS 1.3 client that caches makes a session unusable once it has
    // been given a newer ticket.
    if (++session_count == options->source_count) SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return 1; // ours now
}

static void must(int good) {
    if (good > 0) return;
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void prepare(const struct options *given) {
    options = given;
    context = SSL_CTX_new(TLS_client_method());
    int version = options->tls == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    must(SSL_CTX_set_min_proto_version(context, version));
    must(SSL_CTX_set_max_proto_version(context, version));
    must(SSL_CTX_set_ciphersuites(context, suites_13));
    must(SSL_CTX_set_cipher_list(context, suites_12));
    must(SSL_CTX_set1_groups_list(context, "X25519:P-256"));
    must(SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x08http/1.1", 9) == 0);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (!options->fast) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        must(options->ca ? SSL_CTX_load_verify_locations(context, options->ca, NULL)
                         : SSL_CTX_set_default_verify_paths(context));
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (options->mode == MODE_RESUME) SSL_CTX_sess_set_new_cb(context, keep_session);
}

static bool open_session(struct connection *c) {
    SSL *ssl = c->session = SSL_new(context);
    if (!ssl) return false;
    SSL_set_app_data(ssl, c);
    SSL_set_connect_state(ssl);
    if (sessions[c->source]) SSL_set_session(ssl, sessions[c->source]);
    return SSL_set_fd(ssl, c->fd) && SSL_set_tlsext_host_name(ssl, options->name) &&
           (options->fast || SSL_set1_host(ssl, options->name));
}

static long outcome(SSL *ssl, int returned) {
    switch (SSL_get_error(ssl, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return AGAIN;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: return BROKEN;
    }
}

static int handshake(struct connection *c) {
    ERR_clear_error();
    int returned = SSL_do_handshake(c->session);
    if (returned != 1) return outcome(c->session, returned) == AGAIN ? AGAIN : BROKEN;
    if (description[0] == 'n')
        snprintf(description, sizeof description, "%s %s", SSL_get_version(c->session), SSL_get_cipher(c->session));
    return 1;
}

static long read_bytes(struct connection *c, void *bytes, size_t size) {
    ERR_clear_error();
    int count = SSL_read(c->session, bytes, (int)size);
    return count > 0 ? count : outcome(c->session, count);
}

static long write_bytes(struct connection *c, const void *bytes, size_t count) {
    ERR_clear_error();
    int written = SSL_write(c->session, bytes, (int)count);
    return written > 0 ? written : outcome(c->session, written);
}

static bool resumed(struct connection *c) { return SSL_session_reused(c->session); }

static void close_session(struct connection *c) {
    // The server closes first. Without this libssl would call the session bad and not offer it again.
    SSL_set_shutdown(c->session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(c->session);
}

static const char *describe(void) { return description; }

const struct transport libssl_transport = {prepare, open_session, handshake,     read_bytes,
                                           write_bytes, resumed,  close_session, describe};
