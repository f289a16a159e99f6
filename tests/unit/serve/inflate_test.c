// Compressed bodies: sound ones, broken ones, and those that grow too large.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "serve/inflate.h"

enum { PACKED_MAX = 1 << 16 };

static size_t deflate_all(const void *data, size_t len, unsigned char packed[PACKED_MAX])
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = packed;
    z.avail_out = PACKED_MAX;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return PACKED_MAX - z.avail_out;
}

static void bodies_come_back(void **state)
{
    (void)state;
    static unsigned char packed[PACKED_MAX];
    const size_t sizes[] = {0, 1, 100, 16383, 16384, 16385, 100000, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *data = malloc(sizes[i] + 1);
        assert_non_null(data);
        for (size_t k = 0; k < sizes[i]; k++) data[k] = (char)('a' + k / 7 % 26);
        size_t len = deflate_all(data, sizes[i], packed);
        arena a;
        str out;
        err e;
        arena_init(&a, 1 << 25);
        assert_int_equal(inflate_gzip((str){(char *)packed, len}, sizes[i], &out, &a, &e), 0); // exactly the limit
        assert_int_equal(out.len, sizes[i]);
        assert_memory_equal(out.data, data, sizes[i]);
        if (sizes[i] > 0)
            assert_int_equal(inflate_gzip((str){(char *)packed, len}, sizes[i] - 1, &out, &a, &e), ERR_LIMIT);
        // One byte more, and cut at any place.
        packed[len] = 0;
        arena_reset(&a);
        assert_int_equal(inflate_gzip((str){(char *)packed, len + 1}, 1 << 21, &out, &a, &e), ERR_FORMAT);
        for (size_t cut = 0; cut < len; cut += 1 + cut / 3) {
            arena_reset(&a);
            assert_int_equal(inflate_gzip((str){(char *)packed, cut}, 1 << 21, &out, &a, &e), ERR_FORMAT);
        }
        arena_clear(&a);
        free(data);
    }
}

static void a_bomb_stops_at_the_limit(void **state)
{
    (void)state;
    static unsigned char packed[PACKED_MAX];
    static char zeros[10 << 20];
    size_t len = deflate_all(zeros, sizeof zeros, packed);
    arena a;
    str out;
    err e;
    arena_init(&a, 1 << 20);
    assert_int_equal(inflate_gzip((str){(char *)packed, len}, 100000, &out, &a, &e), ERR_LIMIT);
    assert_true(a.used < 1 << 20);
    assert_int_equal(inflate_gzip((str){(char *)packed, len}, sizeof zeros, &out, &a, &e), ERR_MEMORY); // the ceiling
    arena_clear(&a);
}

static void every_failing_allocation_is_an_error(void **state)
{
    (void)state;
    static unsigned char packed[PACKED_MAX];
    static char data[200000];
    size_t len = deflate_all(data, sizeof data, packed);
    for (uint64_t nth = 1;; nth++) {
        arena a;
        str out;
        err e;
        arena_init(&a, 1 << 22);
        mem_fail_at(nth, 0);
        int rc = inflate_gzip((str){(char *)packed, len}, sizeof data, &out, &a, &e);
        uint64_t used = mem_fail_at(0, 0);
        arena_clear(&a);
        if (used < nth) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_come_back),
        cmocka_unit_test(a_bomb_stops_at_the_limit),
        cmocka_unit_test(every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
