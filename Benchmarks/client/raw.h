// What the parts of the raw client share.
#pragma once

#include "raw_keys.h"
#include <time.h>

enum { LARGEST_RECORD = 5 + 16384 + 256 };

struct session { // what a ticket gave, one a source address
    uint8_t *ticket;
    size_t ticket_size;
    uint32_t age_add;
    struct timespec since;
    uint8_t early[HASH]; // the early secret, from the ticket's PSK
    uint8_t binder_key[HASH];
};

struct raw {
    bool encrypted, established, resumed, closed;
    SHA256_CTX transcript;
    uint8_t early[HASH], handshake[HASH], client_secret[HASH], resumption[HASH];
    struct keys in, out;
    uint8_t pending[64]; // our Finished, which leaves together with the first request
    size_t pending_size;
    const uint8_t *data; // decrypted and not yet delivered
    size_t data_size;
    size_t message_size; // bytes in `message`
    uint8_t message[12 << 10];
    size_t begin, end; // of what has been received and not yet looked at
    uint8_t buffer[2 * LARGEST_RECORD];
};

// A record with a ClientHello, which is also the beginning of the transcript; `out` has room for 4096 bytes.
size_t client_hello(struct raw *raw, uint8_t *out, const struct session *session, const char *name);
