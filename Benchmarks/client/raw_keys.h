// The key schedule of TLS 1.3 (RFC 8446, section 7.1) for TLS_AES_128_GCM_SHA256, and its records.
#pragma once

#define OPENSSL_SUPPRESS_DEPRECATED // SHA256_*: the new interface costs more than the hashing of a handshake
#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HASH = 32, TAG = 16 };

struct keys { // of one direction
    uint8_t key[16], iv[12];
    uint64_t sequence;
};

void hmac(uint8_t out[HASH], const uint8_t key[HASH], const void *bytes, size_t count);
void hash_so_far(uint8_t out[HASH], const SHA256_CTX *transcript);
void expand_label(void *out, size_t size, const uint8_t secret[HASH], const char *label, const void *context,
                  size_t context_size);
// Derive-Secret; NULL for the hash of nothing.
void derive(uint8_t out[HASH], const uint8_t secret[HASH], const char *label, const uint8_t *transcript_hash);
void traffic_keys(struct keys *keys, const uint8_t secret[HASH]);

// A whole record with its header from plaintext; returns its size: count + 22.
size_t seal(struct keys *keys, uint8_t *out, uint8_t type, const void *plaintext, size_t count);
// Decrypts a record in place. Returns the plaintext's size behind the header and its type, or -1.
long unseal(struct keys *keys, uint8_t *record, size_t size, uint8_t *type);

// The X25519 key that all connections share, and the secret that it makes with a server's share.
void make_share(void);
extern uint8_t our_share[32];
bool shared_secret(uint8_t out[32], const uint8_t their_share[32]);
