// GraphQL documents over any bytes: what is parsed is printed and read back as the same; what is valid is executed, and
// the answer is JSON; every refusal says why. Variables are what follows a NUL, as JSON.
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <string.h>

#include "graphql/execute.h"
#include "graphql/validate.h"
#include "unit/graphql/zoo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// assert() that a release build keeps.
#define must(truth) ((truth) ? (void)0 : __builtin_trap())

static void must_be_json(buf *out, arena *a)
{
    gql_value *v;
    err e = ERR_NONE;
    int rc = gql_json_parse(&v, buf_str(out), a, &e);
    must(rc == 0 || rc == ERR_MEMORY || rc == ERR_LIMIT);
    buf_reset(out);
}

static void print_twice(const gql_document *d, arena *a)
{
    buf first, second;
    gql_document *again;
    err e = ERR_NONE;
    buf_init(&first, 8 << 20);
    buf_init(&second, 8 << 20);
    gql_print(d, &first);
    int rc = first.failed ? ERR_LIMIT : gql_parse(&again, buf_str(&first), a, &e);
    must(rc == 0 || rc == ERR_MEMORY || rc == ERR_LIMIT);
    if (rc == 0) {
        gql_print(again, &second);
        must(second.failed || str_equal(buf_str(&first), buf_str(&second)));
    }
    buf_clear(&first);
    buf_clear(&second);
}

static void execute(gql_document *d, const gql_value *sent, arena *a)
{
    buf out;
    err e = ERR_NONE;
    buf_init(&out, 4 << 20);
    for (gql_definition *o = d->definitions; o; o = o->next) {
        gql_errors errors = {.memory = a};
        gql_value *given;
        if (o->kind == GQL_FRAGMENT) continue;
        if (gql_coerce_variables(&given, o, sent, &errors, a, &e) < 0) break;
        const gql_execution x = {
            .schema = &zoo, .document = d, .operation = o, .variables = given, .memory = a, .errors = &errors};
        int rc = errors.n == 0 ? gql_execute(&x, &out, &e) : 0;
        must(rc == 0 || rc == ERR_MEMORY || rc == ERR_LIMIT);
        if (rc == 0 && errors.n == 0) must_be_json(&out, a);
        buf_reset(&out);
        gql_errors_format(&errors, d->source, &out);
        if (!out.failed) must_be_json(&out, a);
        buf_reset(&out);
    }
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *mark = size > 0 ? memchr(data, 0, size) : NULL;
    str source = {(const char *)data, mark ? (size_t)(mark - data) : size};
    str json = {mark ? (const char *)mark + 1 : "", mark ? size - source.len - 1 : 0};
    arena a;
    gql_document *d;
    gql_value *sent = NULL;
    err e = ERR_NONE;
    arena_init(&a, 16 << 20);
    gql_errors errors = {.memory = &a};
    if (json.len > 0 && gql_json_parse(&sent, json, &a, &e) < 0) {
        must(e.code != 0 && e.msg[0] && (e.code != ERR_FORMAT || (e.at >= 0 && (size_t)e.at <= json.len)));
        sent = NULL;
    }
    int rc = gql_parse(&d, source, &a, &e);
    if (rc < 0) {
        must(e.code == rc && e.msg[0] && (rc != ERR_FORMAT || (e.at >= 0 && (size_t)e.at <= source.len)));
        goto done;
    }
    print_twice(d, &a);
    if (gql_validate(d, &zoo, &errors, &a, &e) < 0) goto done;
    if (errors.n == 0) execute(d, sent, &a);
    buf out;
    buf_init(&out, 1 << 20);
    gql_errors_format(&errors, source, &out);
    must_be_json(&out, &a);
    buf_clear(&out);
done:
    arena_clear(&a);
    return 0;
}
