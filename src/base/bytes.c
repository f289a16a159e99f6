// Every read meets its limit before it touches a byte.
// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <string.h>

static int need(const bytes *b, uint64_t n, err *e)
{
    if (n <= bytes_left(b)) return 0;
    return err_set_at(e, ERR_FORMAT, bytes_at(b), "byte %lld: %llu bytes wanted, %zu are left", (long long)bytes_at(b),
                      (unsigned long long)n, bytes_left(b));
}

int bytes_u8(bytes *b, uint8_t *out, err *e)
{
    TRY(need(b, 1, e));
    *out = *b->at++;
    return 0;
}

static uint64_t little_endian(const uint8_t *p, int n)
{
    uint64_t value = 0;
    for (int i = n - 1; i >= 0; i--) value = value << 8 | p[i];
    return value;
}

int bytes_u32(bytes *b, uint32_t *out, err *e)
{
    TRY(need(b, 4, e));
    *out = (uint32_t)little_endian(b->at, 4);
    b->at += 4;
    return 0;
}

int bytes_u64(bytes *b, uint64_t *out, err *e)
{
    TRY(need(b, 8, e));
    *out = little_endian(b->at, 8);
    b->at += 8;
    return 0;
}

int bytes_f32(bytes *b, float *out, err *e)
{
    uint32_t bits;
    TRY(bytes_u32(b, &bits, e));
    memcpy(out, &bits, sizeof bits);
    return 0;
}

int bytes_f64(bytes *b, double *out, err *e)
{
    uint64_t bits;
    TRY(bytes_u64(b, &bits, e));
    memcpy(out, &bits, sizeof bits);
    return 0;
}

int bytes_varint(bytes *b, uint64_t *out, err *e)
{
    uint64_t value = 0;
    const uint8_t *p = b->at;
    for (int shift = 0; shift < 70; shift += 7) {
        if (p == b->end)
            return err_set_at(e, ERR_FORMAT, bytes_at(b), "byte %lld: a number ends too early", (long long)bytes_at(b));
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1) break;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            b->at = p;
            *out = value;
            return 0;
        }
    }
    return err_set_at(e, ERR_FORMAT, bytes_at(b), "byte %lld: a number is longer than 64 bits", (long long)bytes_at(b));
}

int bytes_skip(bytes *b, uint64_t n, err *e)
{
    TRY(need(b, n, e));
    b->at += n;
    return 0;
}

int bytes_take(bytes *b, uint64_t n, str *out, err *e)
{
    TRY(need(b, n, e));
    *out = (str){(const char *)b->at, (size_t)n};
    b->at += n;
    return 0;
}

int bytes_slice(bytes *b, uint64_t n, bytes *out, err *e)
{
    TRY(need(b, n, e));
    *out = (bytes){.start = b->start, .at = b->at, .end = b->at + n};
    b->at += n;
    return 0;
}
