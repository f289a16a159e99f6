// Requests for GraphQL over any bytes: as a body, and as the query of a URL. What is read has the four members it may
// have, in memory and of their types; every refusal says why.
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>

#include "serve/graphql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// assert() that a release build keeps.
#define must(truth) ((truth) ? (void)0 : __builtin_trap())

static uint64_t sum_of(str text)
{
    uint64_t sum = text.len;
    for (size_t i = 0; i < text.len; i++) sum = sum * 31 + (unsigned char)text.data[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = {(const char *)data, size};
    for (int url = 0; url < 2; url++) {
        arena a;
        graphql_ask ask;
        place at = {.row = -1};
        err e = ERR_NONE;
        arena_init(&a, 4 << 20);
        int rc = url ? graphql_read_query(&ask, text, &at, &a, &e) : graphql_read_body(&ask, text, &at, &a, &e);
        if (rc == 0) {
            volatile uint64_t sum = sum_of(ask.query) + sum_of(ask.operation); // touches every byte
            (void)sum;
            must(!ask.variables || ask.variables->kind == GQL_OBJECT);
        } else {
            must(e.code == rc && e.msg[0] && (at.code || rc == ERR_MEMORY));
        }
        arena_clear(&a);
    }
    const char *media = graphql_media(text);
    must(media && media[0] == 'a');
    return 0;
}
