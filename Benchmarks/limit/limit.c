// The bare limit: what the same work costs on this machine when nothing but the library and the kernel does it.
//
//   limit memory MODE CERTIFICATE KEY SECONDS   the server's half of TLS, in memory, without a socket
//        MODE: full, full-1.2, resume, resume-1.2, keepalive, bulk; prints nanoseconds per operation
//   limit tcp                                   answers GET /hello and GET /bytes/N over TCP, without TLS, until killed
//
// The limit of a connection is the sum of both. Client and server share the thread in `memory`, but only the server's
// calls are timed, for 32 connections at a stretch.
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n";
enum { BULK = 1 << 20, BATCH = 32, REQUEST = 50 };

static void must(bool good, const char *what) {
    if (good) return;
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

// ---- TLS in memory --------------------------------------------------------------------------------------------------

static SSL_CTX *server_context, *client_context;
static SSL_SESSION *session; // to resume
static bool want_session;

static int keep_session(SSL *ssl, SSL_SESSION *given) {
    (void)ssl;
    if (!want_session) return 0;
    want_session = false;
    session = given;
    return 1;
}

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void make_contexts(const char *certificate, const char *key, int version) {
    server_context = SSL_CTX_new(TLS_server_method());
    must(SSL_CTX_use_certificate_chain_file(server_context, certificate) == 1, certificate);
    must(SSL_CTX_use_PrivateKey_file(server_context, key, SSL_FILETYPE_PEM) == 1, key);
    SSL_CTX_set_num_tickets(server_context, 1);
    SSL_CTX_set_session_cache_mode(server_context, SSL_SESS_CACHE_OFF);
    client_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(client_context, version);
    SSL_CTX_set_max_proto_version(client_context, version);
    must(SSL_CTX_set_ciphersuites(client_context, "TLS_AES_128_GCM_SHA256") == 1, "suite");
    must(SSL_CTX_set_cipher_list(client_context, "ECDHE+AES128+AESGCM") == 1, "suite");
    must(SSL_CTX_set1_groups_list(client_context, "X25519:P-256") == 1, "group");
    SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_context, keep_session);
}

struct pair {
    SSL *client, *server;
};

static void connect_pair(struct pair *p) { // the client's half; the server's belongs to the timed part
    p->client = SSL_new(client_context);
    SSL_set_connect_state(p->client);
    SSL_set_bio(p->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (session) SSL_set_session(p->client, session); // nothing to resume while the first batch runs
    p->server = NULL;
    SSL_do_handshake(p->client);
}

static void move_bytes(SSL *from, SSL *to) {
    char *bytes;
    long count = BIO_get_mem_data(SSL_get_wbio(from), &bytes);
    if (count > 0) BIO_write(SSL_get_rbio(to), bytes, (int)count);
    (void)BIO_reset(SSL_get_wbio(from));
}

static void drain(SSL *ssl) {
    char buffer[16384];
    ERR_clear_error();
    while (SSL_read(ssl, buffer, sizeof buffer) > 0) continue;
}

// One connection with one request each, for a batch. Returns the server's nanoseconds.
static double batch_of_connections(bool resuming) {
    struct pair pairs[BATCH];
    char request[REQUEST] = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", buffer[16384];
    double spent = 0, begin;
    for (int i = 0; i < BATCH; i++) connect_pair(&pairs[i]);
    for (int round = 0; round < 3; round++) {
        begin = cpu();
        for (int i = 0; i < BATCH; i++) {
            struct pair *p = &pairs[i];
            if (!p->server) {
                p->server = SSL_new(server_context);
                SSL_set_accept_state(p->server);
                SSL_set_bio(p->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
            }
            move_bytes(p->client, p->server);
            if (!SSL_is_init_finished(p->server)) SSL_do_handshake(p->server);
            if (SSL_is_init_finished(p->server) && SSL_read(p->server, buffer, sizeof buffer) > 0) {
                SSL_write(p->server, hello, sizeof hello - 1);
                SSL_shutdown(p->server);
            }
        }
        spent += cpu() - begin;
        for (int i = 0; i < BATCH; i++) {
            struct pair *p = &pairs[i];
            move_bytes(p->server, p->client);
            ERR_clear_error();
            if (!SSL_is_init_finished(p->client)) SSL_do_handshake(p->client);
            if (!SSL_is_init_finished(p->client)) continue;
            drain(p->client);
            SSL_write(p->client, request, sizeof request);
        }
    }
    for (int i = 0; i < BATCH; i++) {
        must(SSL_get_shutdown(pairs[i].server) & SSL_SENT_SHUTDOWN, "in-memory connection");
        must(!resuming || SSL_session_reused(pairs[i].server), "in-memory resumption");
        SSL_set_shutdown(pairs[i].client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(pairs[i].client);
    }
    begin = cpu();
    for (int i = 0; i < BATCH; i++) SSL_free(pairs[i].server);
    return spent + cpu() - begin;
}

static struct pair kept(void) {
    struct pair p;
    connect_pair(&p);
    p.server = SSL_new(server_context);
    SSL_set_accept_state(p.server);
    SSL_set_bio(p.server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    while (!SSL_is_init_finished(p.server)) {
        move_bytes(p.client, p.server);
        SSL_do_handshake(p.server);
        move_bytes(p.server, p.client);
        SSL_do_handshake(p.client);
    }
    drain(p.client);
    return p;
}

// The answers to a batch of requests on one connection. Returns the server's nanoseconds.
static double batch_of_requests(struct pair *p, const char *answer, int size) {
    char request[REQUEST] = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", buffer[16384];
    double spent = 0;
    for (int i = 0; i < BATCH; i++) {
        SSL_write(p->client, request, sizeof request);
        move_bytes(p->client, p->server);
    }
    double begin = cpu();
    for (int i = 0; i < BATCH; i++) {
        must(SSL_read(p->server, buffer, REQUEST) == REQUEST, "in-memory request");
        for (int sent = 0; sent < size; sent += 16384)
            SSL_write(p->server, answer + sent, size - sent < 16384 ? size - sent : 16384);
        if (size > 16384) (void)BIO_reset(SSL_get_wbio(p->server)); // a large answer goes nowhere
    }
    spent = cpu() - begin;
    if (size <= 16384) {
        move_bytes(p->server, p->client);
        drain(p->client);
    }
    return spent;
}

static void memory(const char *mode, const char *certificate, const char *key, double seconds) {
    bool old = strstr(mode, "1.2") != NULL, resume = strncmp(mode, "resume", 6) == 0;
    bool bulk = strcmp(mode, "bulk") == 0, keep = bulk || strcmp(mode, "keepalive") == 0;
    make_contexts(certificate, key, old ? TLS1_2_VERSION : TLS1_3_VERSION);
    if (resume) {
        want_session = true;
        batch_of_connections(false);
        must(session != NULL, "ticket");
        SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_OFF);
    }
    struct pair pair = {0};
    if (keep) pair = kept();
    char *answer = calloc(1, BULK);
    if (!bulk) memcpy(answer, hello, sizeof hello);
    int size = bulk ? BULK : (int)sizeof hello - 1;

    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    double spent = 0;
    long operations = 0;
    do {
        spent += keep ? batch_of_requests(&pair, answer, size) : batch_of_connections(resume);
        operations += BATCH;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
    printf("%.1f\n", spent / (double)operations);
}

// ---- TCP ------------------------------------------------------------------------------------------------------------

struct peer {
    int fd;
    const char *rest; // of an answer that the socket did not take whole
    size_t left;
};

static char *bulk_answer;
static size_t bulk_length;
static int poller;

static void finish(struct peer *p) {
    close(p->fd);
    free(p);
}

static bool push(struct peer *p) { // false: the connection is broken
    while (p->left > 0) {
        ssize_t sent = send(p->fd, p->rest, p->left < 256 << 10 ? p->left : 256 << 10, MSG_NOSIGNAL);
        if (sent <= 0) {
            if (sent == 0 || errno != EAGAIN) return false;
            // Only now the readiness to write is of interest.
            struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = p};
            epoll_ctl(poller, EPOLL_CTL_MOD, p->fd, &event);
            return true;
        }
        p->rest += sent;
        p->left -= (size_t)sent;
    }
    return true;
}

static void serve(struct peer *p) {
    char request[4096];
    if (p->left > 0) {
        if (!push(p)) return finish(p);
        if (p->left > 0) return;
    }
    ssize_t count = recv(p->fd, request, sizeof request - 1, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return finish(p);
    request[count] = 0;
    bool large = strncmp(request, "GET /bytes/", 11) == 0, last = strstr(request, "Connection: close") != NULL;
    p->rest = large ? bulk_answer : hello;
    p->left = large ? bulk_length : sizeof hello - 1;
    if (!push(p) || (last && p->left == 0)) finish(p);
}

static void tcp(void) {
    bulk_answer = calloc(1, BULK + 200);
    int head = sprintf(bulk_answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BULK);
    bulk_length = (size_t)head + BULK;
    poller = epoll_create1(0);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // accepted sockets inherit it
    must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 4096) == 0, "listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN}, events[64];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) {
                serve(events[i].data.ptr);
                continue;
            }
            for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                struct peer *p = calloc(1, sizeof *p);
                p->fd = fd;
                event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.ptr = p};
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
            }
        }
    }
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN);
    if (count == 2 && strcmp(arguments[1], "tcp") == 0) tcp();
    if (count == 6 && strcmp(arguments[1], "memory") == 0) {
        memory(arguments[2], arguments[3], arguments[4], atof(arguments[5]));
        return 0;
    }
    fputs("usage: limit tcp | limit memory MODE CERTIFICATE KEY SECONDS\n", stderr);
    return 2;
}
