// The HTTP parser over any bytes: cut at any place it must say the same, and what it calls complete lies in the buffer.
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// assert() that a release build keeps.
#define must(truth) ((truth) ? (void)0 : __builtin_trap())

static const http_limits limits = {.head_max = 1024, .body_max = 2048};

// Runs the requests of `bytes`, given in pieces of `step` bytes (0: all at once); returns a hash of all that was said.
static uint64_t run(const uint8_t *bytes, size_t size, size_t step)
{
    char *copy = malloc(size ? size : 1);
    must(copy);
    uint64_t hash = 14695981039346656037u;
    size_t start = 0, have = step ? 0 : size;
#define MIX(x) hash = (hash ^ (uint64_t)(x)) * 1099511628211u
    memcpy(copy, bytes, have);
    http_parser p;
    http_parser_init(&p);
    for (;;) {
        http_step said = http_parse(&p, copy + start, have - start, &limits);
        if (said == STEP_MORE) {
            if (have == size) break;
            size_t more = size - have < step ? size - have : step;
            memcpy(copy + have, bytes + have, more);
            have += more;
            continue;
        }
        if (said == STEP_BAD) {
            must(p.status >= 400 && p.why);
            MIX(p.status);
            MIX(p.why[0]);
            break;
        }
        if (said == STEP_HEAD) {
            must(p.head_len <= have - start && p.head_len <= limits.head_max);
            MIX(p.method);
            MIX(p.keep_alive);
            for (int i = 0; i < FIELDS_N; i++) {
                must(p.fields[i].at + (size_t)p.fields[i].len <= p.head_len);
                str value = http_str(copy + start, p.fields[i]);
                for (size_t k = 0; k < value.len; k++) MIX(value.data[k]);
            }
            str path = http_str(copy + start, p.path);
            char decoded[1024];
            MIX(http_decode_segment(path, decoded));
            MIX(http_accepts(http_str(copy + start, p.fields[FIELD_ACCEPT]), "application/json"));
            MIX(http_type_is(http_str(copy + start, p.fields[FIELD_CONTENT_TYPE]), "application/json"));
            continue;
        }
        must(said == STEP_DONE && p.total <= have - start && p.body_at + p.body_len <= p.total);
        must(p.body_len <= limits.body_max);
        for (size_t k = 0; k < p.body_len; k++) MIX(copy[start + p.body_at + k]);
        MIX(p.total);
        start += p.total;
        http_parser_init(&p);
        if (start == size) break;
    }
    free(copy);
    return hash;
}

// The body of the first request taken in pieces is the one that the whole request has, and ends where that ends.
static void compare_pieces(const uint8_t *bytes, size_t size, size_t step)
{
    char *whole = malloc(size + 1), *rest = malloc(size + 1), *body = malloc(size + 1);
    must(whole && rest && body);
    memcpy(whole, bytes, size);
    http_parser p, q;
    http_parser_init(&p);
    bool has_head = http_parse(&p, whole, size, &limits) == STEP_HEAD;
    q = p;
    http_step want = has_head ? http_parse(&p, whole, size, &limits) : STEP_MORE, said = STEP_MORE;
    size_t given = q.head_len, have = 0, used = 0, n = 0, n_body = 0;
    while (has_head && said == STEP_MORE) {
        said = http_parse_piece(&q, rest, have, limits.body_max, &used, &n);
        must(used <= have && n <= used);
        memcpy(body + n_body, rest, n);
        n_body += n;
        have -= used;
        memmove(rest, rest + used, have);
        if (said != STEP_MORE || given == size) break;
        size_t more = size - given < step ? size - given : step;
        memcpy(rest + have, bytes + given, more);
        given += more;
        have += more;
    }
    must(said == want);
    if (said == STEP_BAD) must(q.status == p.status && q.why == p.why);
    if (said == STEP_DONE) {
        must(given - have == p.total && n_body == p.body_len);
        must(memcmp(body, whole + p.body_at, n_body) == 0);
    }
    free(whole);
    free(rest);
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 16384) return 0;
    uint64_t whole = run(data, size, 0);
    must(run(data, size, 1) == whole);
    if (size > 0) must(run(data, size, 1 + data[size - 1] % 97u) == whole);
    compare_pieces(data, size, 1);
    if (size > 0) compare_pieces(data, size, 1 + data[size - 1] % 97u);
    return 0;
}
