// SHA-256 by libsodium; the table hash multiplies 64 by 64 bits and folds the 128-bit product.
// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <sodium/crypto_hash_sha256.h>

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(sha256), "room for libsodium's state");
_Static_assert(_Alignof(crypto_hash_sha256_state) <= _Alignof(sha256), "alignment of libsodium's state");

static crypto_hash_sha256_state *state_of(sha256 *h)
{
    return (crypto_hash_sha256_state *)(void *)h->state;
}

void sha256_init(sha256 *h)
{
    crypto_hash_sha256_init(state_of(h));
}

void sha256_add(sha256 *h, const void *data, size_t len)
{
    if (len > 0) crypto_hash_sha256_update(state_of(h), data, len);
}

void sha256_hex(sha256 *h, char hex[SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[crypto_hash_sha256_BYTES];
    _Static_assert(2 * sizeof sum + 1 == SHA256_HEX_SIZE, "two digits a byte and the NUL");
    crypto_hash_sha256_final(state_of(h), sum);
    for (size_t i = 0; i < sizeof sum; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[2 * sizeof sum] = '\0';
}

void sha256_hex_of(const void *data, size_t len, char hex[SHA256_HEX_SIZE])
{
    sha256 h;
    sha256_init(&h);
    sha256_add(&h, data, len);
    sha256_hex(&h, hex);
}

// The first fractional bits of pi, made odd: constants without a pattern that anybody chose.
static const uint64_t K0 = 0x243F6A8885A308D3u, K1 = 0x13198A2E03707345u, K2 = 0xA4093822299F31D1u;

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load32(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

static uint64_t load64(const unsigned char *p)
{
    return load32(p) | load32(p + 4) << 32;
}

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
    const unsigned char *p = data;
    uint64_t h = fold(seed ^ K0, K1);
    size_t left = len;
    // The old state is also added past the product: a zero factor, which an input can force, does not wipe it out.
    for (; left > 16; left -= 16, p += 16) h = (h << 29 | h >> 35) ^ fold(load64(p) ^ K1, load64(p + 8) ^ K2 ^ h);
    uint64_t a = 0, b = 0; // the last 16 bytes or fewer, read twice where they overlap
    if (left >= 8) {
        a = load64(p);
        b = load64(p + left - 8);
    } else if (left >= 4) {
        a = load32(p);
        b = load32(p + left - 4);
    } else if (left > 0) {
        a = (uint64_t)p[0] | (uint64_t)p[left / 2] << 8 | (uint64_t)p[left - 1] << 16;
    }
    h ^= fold(a ^ K1, b ^ K2 ^ h);
    return fold(h ^ K0, (uint64_t)len ^ K2);
}
