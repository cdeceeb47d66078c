// A TLS 1.3 client of our own for the load alone: it verifies NOTHING, uses one X25519 key for all connections, knows
// one suite and one group, and so costs much less than libssl's client. A server then has enough to do.
#define _GNU_SOURCE
#include "load.h"
#include "raw.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { HANDSHAKE_RECORD = 22, ALERT_RECORD = 21, DATA_RECORD = 23, CCS_RECORD = 20 };
enum { SERVER_HELLO = 2, NEW_SESSION_TICKET = 4, FINISHED = 20 };

static const struct options *options;
static struct session sessions[MAX_SOURCES];
static const uint8_t zeros[HASH];
static uint8_t early_without_psk[HASH];

static void prepare(const struct options *given) {
    options = given;
    make_share();
    hmac(early_without_psk, zeros, zeros, HASH);
}

static bool open_session(struct connection *c) {
    struct raw *raw = c->session = malloc(sizeof *raw);
    if (!raw) return false;
    memset(raw, 0, offsetof(struct raw, message)); // not the buffers
    raw->begin = raw->end = 0;
    const struct session *session = &sessions[c->source];
    memcpy(raw->early, session->ticket ? session->early : early_without_psk, HASH);
    uint8_t hello[4096];
    if (session->ticket_size > 2048 || strlen(options->name) > 255) return false;
    size_t size = client_hello(raw, hello, session, options->name);
    return send(c->fd, hello, size, MSG_NOSIGNAL) == (ssize_t)size;
}

// ---- What the server sends ------------------------------------------------------------------------------------------

static unsigned get16(const uint8_t *at) { return (unsigned)(at[0] << 8 | at[1]); }

// Reads the server's share and whether it took the PSK, and makes the handshake keys.
static bool take_server_hello(struct raw *raw, const uint8_t *body, size_t size) {
    static const uint8_t retry[4] = {0xcf, 0x21, 0xad, 0x74}; // how the random of a HelloRetryRequest begins
    const uint8_t *share = NULL, *end = body + size;
    if (size < 4 + 35 || memcmp(body + 6, retry, 4) == 0) return false;
    const uint8_t *at = body + 4 + 2 + 32;
    at += 1 + at[0] + 2 + 1 + 2; // session id, suite, compression, length of the extensions
    for (; at + 4 <= end; at += 4 + get16(at + 2)) {
        unsigned type = get16(at), length = get16(at + 2);
        if (at + 4 + length > end) return false;
        if (type == 51 && length == 36) share = at + 8;
        if (type == 41) raw->resumed = true;
    }
    uint8_t secret[32], salt[HASH], hash[HASH], server_secret[HASH];
    if (!share || !shared_secret(secret, share)) return false;
    if (!raw->resumed) memcpy(raw->early, early_without_psk, HASH);
    derive(salt, raw->early, "derived", NULL);
    hmac(raw->handshake, salt, secret, sizeof secret);
    hash_so_far(hash, &raw->transcript);
    derive(raw->client_secret, raw->handshake, "c hs traffic", hash);
    derive(server_secret, raw->handshake, "s hs traffic", hash);
    traffic_keys(&raw->out, raw->client_secret);
    traffic_keys(&raw->in, server_secret);
    raw->encrypted = true;
    return true;
}

// Answers the server's Finished with ours, and makes the application's keys.
static void take_finished(struct raw *raw, const struct session *session) {
    uint8_t hash[HASH], salt[HASH], master[HASH], secret[HASH], key[HASH], message[4 + HASH] = {FINISHED, 0, 0, HASH};
    hash_so_far(hash, &raw->transcript);
    expand_label(key, HASH, raw->client_secret, "finished", NULL, 0);
    hmac(message + 4, key, hash, HASH);
    raw->pending_size = seal(&raw->out, raw->pending, HANDSHAKE_RECORD, message, sizeof message);

    derive(salt, raw->handshake, "derived", NULL);
    hmac(master, salt, zeros, HASH);
    derive(secret, master, "c ap traffic", hash);
    traffic_keys(&raw->out, secret);
    derive(secret, master, "s ap traffic", hash);
    traffic_keys(&raw->in, secret);
    if (options->mode == MODE_RESUME && !session->ticket) {
        SHA256_Update(&raw->transcript, message, sizeof message);
        hash_so_far(hash, &raw->transcript);
        derive(raw->resumption, master, "res master", hash);
    }
    raw->established = true;
}

static void take_ticket(struct raw *raw, struct session *session, const uint8_t *body, size_t size) {
    if (options->mode != MODE_RESUME || session->ticket || size < 4 + 11) return;
    unsigned nonce_size = body[12];
    if (nonce_size > 64 || 4 + 9 + nonce_size + 2 > size) return;
    const uint8_t *nonce = body + 13, *ticket = nonce + nonce_size;
    unsigned ticket_size = get16(ticket);
    if (ticket + 2 + ticket_size > body + size) return;
    uint8_t psk[HASH], binder[HASH];
    expand_label(psk, HASH, raw->resumption, "resumption", nonce, nonce_size);
    hmac(session->early, zeros, psk, HASH);
    derive(binder, session->early, "res binder", NULL);
    expand_label(session->binder_key, HASH, binder, "finished", NULL, 0);
    session->age_add = (uint32_t)get16(body + 8) << 16 | get16(body + 10);
    clock_gettime(CLOCK_MONOTONIC, &session->since);
    session->ticket = malloc(ticket_size);
    memcpy(session->ticket, ticket + 2, ticket_size);
    session->ticket_size = ticket_size;
}

static bool take_messages(struct raw *raw, struct session *session, const uint8_t *bytes, size_t count) {
    if (count > sizeof raw->message - raw->message_size) return false;
    memcpy(raw->message + raw->message_size, bytes, count);
    raw->message_size += count;
    uint8_t *at = raw->message;
    for (size_t left; (left = raw->message_size - (size_t)(at - raw->message)) >= 4;) {
        size_t size = 4 + ((size_t)at[1] << 16 | get16(at + 2));
        if (size > left) break;
        if (!raw->established) SHA256_Update(&raw->transcript, at, size);
        if (at[0] == SERVER_HELLO) {
            if (raw->encrypted || !take_server_hello(raw, at, size)) return false;
        } else if (at[0] == FINISHED) {
            if (!raw->encrypted || raw->established) return false;
            take_finished(raw, session);
        } else if (at[0] == NEW_SESSION_TICKET) {
            take_ticket(raw, session, at, size);
        }
        at += size;
    }
    raw->message_size -= (size_t)(at - raw->message);
    memmove(raw->message, at, raw->message_size);
    return true;
}

// Looks at one whole record. 1: done, AGAIN: none is complete, BROKEN.
static int take_record(struct connection *c) {
    struct raw *raw = c->session;
    uint8_t *record = raw->buffer + raw->begin, type = record[0];
    size_t available = raw->end - raw->begin;
    if (available < 5) return AGAIN;
    size_t size = 5 + get16(record + 3);
    if (size > LARGEST_RECORD) return BROKEN;
    if (available < size) return AGAIN;
    raw->begin += size;
    long count = (long)size - 5;
    if (type == CCS_RECORD) return 1;
    if (type == DATA_RECORD) {
        count = raw->encrypted ? unseal(&raw->in, record, size, &type) : -1;
        if (count < 0) return BROKEN;
    }
    switch (type) {
    case HANDSHAKE_RECORD:
        return take_messages(raw, &sessions[c->source], record + 5, (size_t)count) ? 1 : BROKEN;
    case ALERT_RECORD:
        raw->closed = count == 2 && record[6] == 0;
        return raw->closed ? 1 : BROKEN;
    case DATA_RECORD:
        raw->data = record + 5;
        raw->data_size = (size_t)count;
        return raw->established ? 1 : BROKEN;
    default: return BROKEN;
    }
}

static long fill(struct connection *c) {
    struct raw *raw = c->session;
    if (raw->begin == raw->end) raw->begin = raw->end = 0;
    if (sizeof raw->buffer - raw->begin < LARGEST_RECORD) {
        memmove(raw->buffer, raw->buffer + raw->begin, raw->end - raw->begin);
        raw->end -= raw->begin;
        raw->begin = 0;
    }
    ssize_t count = recv(c->fd, raw->buffer + raw->end, sizeof raw->buffer - raw->end, 0);
    if (count < 0) return errno == EAGAIN ? AGAIN : BROKEN;
    raw->end += (size_t)count;
    return count;
}

// ---- The transport --------------------------------------------------------------------------------------------------

static int handshake(struct connection *c) {
    struct raw *raw = c->session;
    while (!raw->established) {
        int taken = take_record(c);
        if (taken == BROKEN || raw->closed) return BROKEN;
        if (taken == 1) continue;
        long count = fill(c);
        if (count <= 0) return count == AGAIN ? AGAIN : BROKEN;
    }
    return 1;
}

static long read_bytes(struct connection *c, void *bytes, size_t size) {
    struct raw *raw = c->session;
    while (raw->data_size == 0) {
        if (raw->closed) return 0;
        int taken = take_record(c);
        if (taken == BROKEN) return BROKEN;
        if (taken == 1) continue;
        long count = fill(c);
        if (count <= 0) return count;
    }
    size_t count = raw->data_size < size ? raw->data_size : size;
    memcpy(bytes, raw->data, count);
    raw->data += count;
    raw->data_size -= count;
    return (long)count;
}

static long write_bytes(struct connection *c, const void *bytes, size_t count) {
    struct raw *raw = c->session;
    uint8_t records[sizeof raw->pending + 2048];
    if (count > 2000) return BROKEN;
    size_t size = raw->pending_size;
    memcpy(records, raw->pending, size);
    raw->pending_size = 0;
    size += seal(&raw->out, records + size, DATA_RECORD, bytes, count);
    return send(c->fd, records, size, MSG_NOSIGNAL) == (ssize_t)size ? (long)count : BROKEN;
}

static bool resumed(struct connection *c) { return ((struct raw *)c->session)->resumed; }

static void close_session(struct connection *c) { free(c->session); }

static const char *describe(void) { return "TLSv1.3 TLS_AES_128_GCM_SHA256 (own client)"; }

const struct transport raw_transport = {prepare, open_session, handshake,     read_bytes,
                                        write_bytes, resumed,  close_session, describe};
