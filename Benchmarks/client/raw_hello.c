// The ClientHello (RFC 8446, section 4.1.2), with the PSK of a ticket if there is one (4.2.11).
#define _GNU_SOURCE
#include "raw.h"
#include <openssl/rand.h>
#include <string.h>

struct writer {
    uint8_t *bytes;
    size_t count;
};

static void put(struct writer *w, uint64_t value, int size) {
    while (size-- > 0) w->bytes[w->count++] = (uint8_t)(value >> (8 * size));
}

static void put_bytes(struct writer *w, const void *bytes, size_t count) {
    memcpy(w->bytes + w->count, bytes, count);
    w->count += count;
}

static size_t open_length(struct writer *w, int size) { // a length to be filled in by close_length
    w->count += (size_t)size;
    return w->count;
}

static void close_length(struct writer *w, size_t from, int size) {
    struct writer at = {w->bytes + from - size, 0};
    put(&at, w->count - from, size);
}

static void put_psk(struct writer *w, const struct session *session) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint32_t age = (uint32_t)((now.tv_sec - session->since.tv_sec) * 1000 +
                              (now.tv_nsec - session->since.tv_nsec) / 1000000);
    put(w, 41, 2); // pre_shared_key
    put(w, 2 + 2 + session->ticket_size + 4 + 2 + 1 + HASH, 2);
    put(w, 2 + session->ticket_size + 4, 2);
    put(w, session->ticket_size, 2);
    put_bytes(w, session->ticket, session->ticket_size);
    put(w, age + session->age_add, 4);
    put(w, 1 + HASH, 2);
    put(w, HASH, 1);
    w->count += HASH; // the binder, once everything before it is known
}

size_t client_hello(struct raw *raw, uint8_t *out, const struct session *session, const char *name) {
    struct writer w = {out, 0};
    size_t name_size = strlen(name);
    put(&w, 0x160301, 3);
    size_t record = open_length(&w, 2);
    put(&w, 1, 1);
    size_t hello = open_length(&w, 3);
    put(&w, 0x0303, 2);
    RAND_bytes(w.bytes + w.count, 32);
    w.count += 32;
    put(&w, 0, 1);              // no session id, and so no change_cipher_spec for old middleboxes
    put(&w, 0x00021301, 4);     // TLS_AES_128_GCM_SHA256
    put(&w, 0x0100, 2);         // no compression
    size_t extensions = open_length(&w, 2);
    put(&w, 0, 2); // server_name
    put(&w, name_size + 5, 2);
    put(&w, name_size + 3, 2);
    put(&w, 0, 1);
    put(&w, name_size, 2);
    put_bytes(&w, name, name_size);
    put_bytes(&w, "\0\x0a\0\4\0\2\0\x1d", 8);                               // supported_groups: x25519
    put_bytes(&w, "\0\x0d\0\x0a\0\x08\4\3\x08\4\4\1\x08\x09", 14);          // ecdsa_p256, rsa_pss, rsa_pkcs1, pss_pss
    put_bytes(&w, "\0\x10\0\x0b\0\x09\x08http/1.1", 15);                    // ALPN
    put_bytes(&w, "\0\x2b\0\3\2\3\4", 7);                                   // supported_versions: 1.3
    put_bytes(&w, "\0\x2d\0\2\1\1", 6);                                     // psk_key_exchange_modes: with (EC)DHE
    put_bytes(&w, "\0\x33\0\x26\0\x24\0\x1d\0\x20", 10);                    // key_share: x25519
    put_bytes(&w, our_share, sizeof our_share);
    if (session->ticket) put_psk(&w, session);
    close_length(&w, extensions, 2);
    close_length(&w, hello, 3);
    close_length(&w, record, 2);

    SHA256_Init(&raw->transcript);
    if (session->ticket) {
        size_t binders = 2 + 1 + HASH;
        uint8_t hash[HASH];
        SHA256_Update(&raw->transcript, out + 5, w.count - 5 - binders);
        hash_so_far(hash, &raw->transcript);
        hmac(out + w.count - HASH, session->binder_key, hash, HASH);
        SHA256_Update(&raw->transcript, out + w.count - binders, binders);
    } else {
        SHA256_Update(&raw->transcript, out + 5, w.count - 5);
    }
    return w.count;
}
