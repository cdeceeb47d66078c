#include "raw_keys.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

// HMAC-SHA-256 (RFC 2104) with a key of 32 bytes.
void hmac(uint8_t out[HASH], const uint8_t key[HASH], const void *bytes, size_t count) {
    uint8_t pad[64];
    SHA256_CTX hash;
    memset(pad, 0x36, sizeof pad);
    for (int i = 0; i < HASH; i++) pad[i] ^= key[i];
    SHA256_Init(&hash);
    SHA256_Update(&hash, pad, sizeof pad);
    SHA256_Update(&hash, bytes, count);
    SHA256_Final(out, &hash);
    for (int i = 0; i < 64; i++) pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&hash);
    SHA256_Update(&hash, pad, sizeof pad);
    SHA256_Update(&hash, out, HASH);
    SHA256_Final(out, &hash);
}

void hash_so_far(uint8_t out[HASH], const SHA256_CTX *transcript) {
    SHA256_CTX copy = *transcript;
    SHA256_Final(out, &copy);
}

// HKDF-Expand-Label for at most one block of output.
void expand_label(void *out, size_t size, const uint8_t secret[HASH], const char *label, const void *context,
                  size_t context_size) {
    uint8_t info[128], block[HASH];
    size_t length = strlen(label), n = 0;
    if (size > HASH || context_size > 64) abort();
    info[n++] = 0;
    info[n++] = (uint8_t)size;
    info[n++] = (uint8_t)(6 + length);
    memcpy(info + n, "tls13 ", 6);
    memcpy(info + n + 6, label, length);
    n += 6 + length;
    info[n++] = (uint8_t)context_size;
    if (context_size) memcpy(info + n, context, context_size);
    n += context_size;
    info[n++] = 1; // HKDF's counter
    hmac(block, secret, info, n);
    memcpy(out, block, size);
}

void derive(uint8_t out[HASH], const uint8_t secret[HASH], const char *label, const uint8_t *transcript_hash) {
    static uint8_t nothing[HASH];
    static bool known;
    if (!known) {
        SHA256((const uint8_t *)"", 0, nothing);
        known = true;
    }
    expand_label(out, HASH, secret, label, transcript_hash ? transcript_hash : nothing, HASH);
}

void traffic_keys(struct keys *keys, const uint8_t secret[HASH]) {
    expand_label(keys->key, sizeof keys->key, secret, "key", NULL, 0);
    expand_label(keys->iv, sizeof keys->iv, secret, "iv", NULL, 0);
    keys->sequence = 0;
}

// ---- Records (RFC 8446, section 5) ----------------------------------------------------------------------------------

static EVP_CIPHER_CTX *cipher_with(struct keys *keys, bool sealing) {
    static EVP_CIPHER_CTX *contexts[2];
    EVP_CIPHER_CTX **context = &contexts[sealing];
    if (!*context) {
        *context = EVP_CIPHER_CTX_new();
        EVP_CipherInit_ex(*context, EVP_aes_128_gcm(), NULL, NULL, NULL, sealing);
    }
    uint8_t nonce[12];
    memcpy(nonce, keys->iv, sizeof nonce);
    for (int i = 0; i < 8; i++) nonce[11 - i] ^= (uint8_t)(keys->sequence >> (8 * i));
    keys->sequence++;
    EVP_CipherInit_ex(*context, NULL, NULL, keys->key, nonce, -1);
    return *context;
}

size_t seal(struct keys *keys, uint8_t *out, uint8_t type, const void *plaintext, size_t count) {
    size_t inside = count + 1 + TAG;
    int written;
    EVP_CIPHER_CTX *cipher = cipher_with(keys, true);
    const uint8_t header[5] = {23, 3, 3, (uint8_t)(inside >> 8), (uint8_t)inside};
    memcpy(out, header, 5);
    memmove(out + 5, plaintext, count);
    out[5 + count] = type;
    EVP_CipherUpdate(cipher, NULL, &written, out, 5);
    EVP_CipherUpdate(cipher, out + 5, &written, out + 5, (int)count + 1);
    EVP_CipherFinal_ex(cipher, out + 5, &written);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG, out + 5 + count + 1);
    return 5 + inside;
}

long unseal(struct keys *keys, uint8_t *record, size_t size, uint8_t *type) {
    if (size < 5 + 1 + TAG) return -1;
    size_t count = size - 5 - TAG;
    int written;
    EVP_CIPHER_CTX *cipher = cipher_with(keys, false);
    EVP_CipherUpdate(cipher, NULL, &written, record, 5);
    EVP_CipherUpdate(cipher, record + 5, &written, record + 5, (int)count);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG, record + 5 + count);
    if (EVP_CipherFinal_ex(cipher, record + 5, &written) != 1) return -1;
    while (count > 0 && record[5 + count - 1] == 0) count--; // padding
    if (count == 0) return -1;
    *type = record[5 + count - 1];
    return (long)count - 1;
}

// ---- X25519 ---------------------------------------------------------------------------------------------------------

uint8_t our_share[32];
static EVP_PKEY_CTX *derivation;

void make_share(void) {
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    size_t size = sizeof our_share;
    derivation = EVP_PKEY_CTX_new(key, NULL);
    if (EVP_PKEY_get_raw_public_key(key, our_share, &size) != 1 || EVP_PKEY_derive_init(derivation) != 1) abort();
}

bool shared_secret(uint8_t out[32], const uint8_t their_share[32]) {
    EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, their_share, 32);
    size_t size = 32;
    bool good = theirs && EVP_PKEY_derive_set_peer_ex(derivation, theirs, 0) == 1 &&
                EVP_PKEY_derive(derivation, out, &size) == 1;
    EVP_PKEY_free(theirs);
    return good;
}
