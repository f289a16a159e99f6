// Random sound requests, several on a connection, cut at random places: the parser gives back every path and body, and
// the decoder every value, as rows and as columns alike.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/decimal.h"
#include "base/rng.h"
#include "serve/decode.h"
#include "serve/http.h"
#include "unit/serve/schema_of_all.h"

enum { STREAMS = 400, REQUESTS_MAX = 6, BODY_MAX = 3000 };

static uint64_t seed(void)
{
    const char *text = getenv("SEED");
    uint64_t value = text ? strtoull(text, NULL, 10) : 20261124;
    print_message("SEED=%llu\n", (unsigned long long)value);
    return value;
}

// Requests ----------------------------------------------------------------------------------------------------------

typedef struct wanted {
    char path[64];
    char body[BODY_MAX];
    size_t body_len;
} wanted;

static void add_blanks(buf *b, rng *r)
{
    for (uint64_t n = rng_below(r, 3); n > 0; n--) buf_add_char(b, rng_below(r, 2) ? ' ' : '\t');
}

static void add_chunks(buf *b, rng *r, const wanted *w)
{
    for (size_t at = 0; at < w->body_len;) {
        size_t n = 1 + rng_below(r, w->body_len - at);
        buf_format(b, rng_below(r, 2) ? "%zx" : "%04zX", n);
        if (rng_below(r, 4) == 0) buf_add_text(b, ";name=\"a value\"");
        buf_add_text(b, "\r\n");
        buf_add(b, w->body + at, n);
        buf_add_text(b, "\r\n");
        at += n;
    }
    buf_add_text(b, "0\r\n");
    if (rng_below(r, 3) == 0) buf_add_text(b, "Trailer: x\r\n");
    buf_add_text(b, "\r\n");
}

static void add_request(buf *b, rng *r, wanted *w)
{
    snprintf(w->path, sizeof w->path, "/%llx/%%%02llx", (unsigned long long)rng_u64(r),
             1 + (unsigned long long)rng_below(r, 255));
    w->body_len = rng_below(r, 3) ? rng_below(r, BODY_MAX) : 0;
    for (size_t i = 0; i < w->body_len; i++) w->body[i] = (char)rng_below(r, 256); // lines and all
    if (rng_below(r, 5) == 0) buf_add_text(b, "\r\n");
    buf_format(b, "%s %s HTTP/1.1\r\n", rng_below(r, 2) ? "POST" : "PUT", w->path);
    bool chunked = rng_below(r, 2);
    uint64_t n_others = rng_below(r, 5), host = rng_below(r, n_others + 1);
    for (uint64_t i = 0; i <= n_others; i++) {
        if (i == host)
            buf_add_text(b, rng_below(r, 2) ? "Host:" : "hOST:"), add_blanks(b, r), buf_add_text(b, "a.b:80");
        else
            buf_format(b, "X-%llu:v\xff", (unsigned long long)i);
        add_blanks(b, r);
        buf_add_text(b, "\r\n");
    }
    if (chunked) {
        buf_add_text(b, "Transfer-Encoding: chunked\r\n\r\n");
        add_chunks(b, r, w);
        return;
    }
    if (w->body_len > 0 || rng_below(r, 2)) buf_format(b, "Content-Length: %zu\r\n", w->body_len);
    buf_add_text(b, "\r\n");
    buf_add(b, w->body, w->body_len);
}

static void requests_come_back(void **state)
{
    (void)state;
    const http_limits limits = {.head_max = 4096, .body_max = BODY_MAX};
    static wanted want[REQUESTS_MAX];
    rng r = rng_new(seed(), 0);
    for (int stream = 0; stream < STREAMS; stream++) {
        buf sent;
        buf_init(&sent, 1 << 20);
        size_t n = 1 + rng_below(&r, REQUESTS_MAX), done = 0, start = 0, have = 0;
        for (size_t i = 0; i < n; i++) add_request(&sent, &r, &want[i]);
        char *got = malloc(sent.len);
        assert_non_null(got);
        http_parser p;
        http_parser_init(&p);
        while (done < n) {
            http_step step = http_parse(&p, got + start, have - start, &limits);
            if (step == STEP_HEAD) continue;
            if (step == STEP_MORE) {
                assert_true(have < sent.len);
                size_t most = sent.len - have, piece = 1 + rng_below(&r, rng_below(&r, 4) ? 20 : most);
                if (piece > most) piece = most;
                memcpy(got + have, sent.data + have, piece);
                have += piece;
                continue;
            }
            assert_int_equal(step, STEP_DONE);
            str path = http_str(got + start, p.path);
            assert_true(str_equal(path, str_of(want[done].path)));
            assert_int_equal(p.body_len, want[done].body_len);
            assert_memory_equal(got + start + p.body_at, want[done].body, p.body_len);
            start += p.total;
            done++;
            http_parser_init(&p);
        }
        assert_int_equal(start, sent.len);
        free(got);
        buf_clear(&sent);
    }
}

// Bodies ------------------------------------------------------------------------------------------------------------

enum { ROWS_MOST = 40 };

typedef struct cell {
    bool missing;
    double number;
    int64_t ms;
    char text[64]; // UTF-8
    char json[400];
} cell;

static void quote(rng *r, const char *text, char *json)
{
    char *p = json;
    *p++ = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == '"' || c == '\\' || (c < 0x80 && rng_below(r, 6) == 0))
            p += snprintf(p, 7, rng_below(r, 2) ? "\\u%04x" : "\\u%04X", c);
        else
            *p++ = (char)c;
    }
    memcpy(p, "\"", 2);
}

static void make_text(rng *r, char *text)
{
    static const char *const pieces[] = {
        "a", "Bc", " ", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\"", "\\", "\n", "/",
        "{", "}",  "[", ",",        "\x7f"};
    size_t n = 1 + rng_below(r, 12);
    for (size_t i = 0; i < n; i++) text = stpcpy(text, pieces[rng_below(r, sizeof pieces / sizeof *pieces)]);
}

static void make_cell(rng *r, const schema_input *in, cell *c)
{
    *c = (cell){.missing = in->missing_ok && rng_below(r, 5) == 0};
    if (c->missing) {
        stpcpy(c->json, "null");
        return;
    }
    switch (in->type) {
    case COLUMN_INTEGER:
    case COLUMN_REAL:
        c->number = rng_below(r, 2) ? (double)(int64_t)rng_below(r, 100000) - 50000
                                    : (rng_f64(r) - 0.5) * pow(10, (double)rng_below(r, 40) - 20);
        snprintf(c->json, sizeof c->json, "%.17g", c->number);
        break;
    case COLUMN_BOOLEAN:
        c->number = (double)rng_below(r, 2);
        stpcpy(c->json, rng_below(r, 2) ? (c->number != 0 ? "true" : "false") : (c->number != 0 ? "1" : "0"));
        break;
    case COLUMN_DATETIME:
        c->ms = (int64_t)rng_u64(r) / 3;
        snprintf(c->json, sizeof c->json, "%lld", (long long)c->ms);
        break;
    default: make_text(r, c->text); quote(r, c->text, c->json);
    }
}

static void add_space(buf *b, rng *r)
{
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t \r\n"};
    buf_add_text(b, spaces[rng_below(r, 6)]);
}

static void add_name(buf *b, rng *r, size_t input)
{
    char json[400];
    quote(r, schema_of_all.inputs[input].name, json);
    add_space(b, r);
    buf_add_text(b, json);
    add_space(b, r);
    buf_add_char(b, ':');
}

static void shuffle_order(rng *r, uint32_t order[INPUTS_OF_ALL_N])
{
    for (uint32_t i = 0; i < INPUTS_OF_ALL_N; i++) order[i] = i;
    if (rng_below(r, 3)) rng_shuffle(r, order, INPUTS_OF_ALL_N);
}

static void add_rows(buf *b, rng *r, cell cells[ROWS_MOST][INPUTS_OF_ALL_N], size_t n_rows)
{
    uint32_t order[INPUTS_OF_ALL_N];
    shuffle_order(r, order);
    buf_add_text(b, "{\"rows\":[");
    for (size_t row = 0; row < n_rows; row++) {
        if (rng_below(r, 4) == 0) shuffle_order(r, order);
        buf_add_text(b, row > 0 ? ",{" : "{");
        for (size_t i = 0, n = 0; i < INPUTS_OF_ALL_N; i++) {
            const cell *c = &cells[row][order[i]];
            if (c->missing && rng_below(r, 2)) continue; // left out
            if (n++ > 0) buf_add_char(b, ',');
            add_name(b, r, order[i]);
            add_space(b, r);
            buf_add_text(b, c->json);
            add_space(b, r);
        }
        buf_add_char(b, '}');
        add_space(b, r);
    }
    buf_add_text(b, "]}");
}

static void add_columns(buf *b, rng *r, cell cells[ROWS_MOST][INPUTS_OF_ALL_N], size_t n_rows)
{
    uint32_t order[INPUTS_OF_ALL_N];
    shuffle_order(r, order);
    buf_add_text(b, "{\"columns\":{");
    for (size_t i = 0; i < INPUTS_OF_ALL_N; i++) {
        if (i > 0) buf_add_char(b, ',');
        add_name(b, r, order[i]);
        buf_add_char(b, '[');
        for (size_t row = 0; row < n_rows; row++) {
            if (row > 0) buf_add_char(b, ',');
            add_space(b, r);
            buf_add_text(b, cells[row][order[i]].json);
            add_space(b, r);
        }
        buf_add_char(b, ']');
    }
    buf_add_text(b, "}}");
}

static void assert_cell(const batch *b, size_t input, size_t row, const cell *c)
{
    const batch_column *column_of = &b->columns[input];
    if (column_of->f32) {
        float got = column_of->f32[row];
        assert_true(c->missing ? isnan(got) : got == (float)c->number);
    } else if (column_of->i64) {
        assert_int_equal(column_of->i64[row], c->missing ? WIRE_I64_MISSING : c->ms);
    } else {
        assert_int_equal(column_of->strings[row].len, c->missing ? 0 : strlen(c->text));
        if (!c->missing) assert_memory_equal(column_of->strings[row].data, c->text, strlen(c->text));
    }
}

static void values_come_back(void **state)
{
    (void)state;
    static cell cells[ROWS_MOST][INPUTS_OF_ALL_N];
    rng r = rng_new(seed(), 1);
    decoder *d;
    assert_int_equal(decoder_new(&d, &schema_of_all, NULL), 0);
    for (int round = 0; round < 300; round++) {
        size_t n_rows = 1 + rng_below(&r, round % 2 ? 3 : ROWS_MOST);
        for (size_t row = 0; row < n_rows; row++)
            for (size_t i = 0; i < INPUTS_OF_ALL_N; i++) make_cell(&r, &inputs_of_all[i], &cells[row][i]);
        for (int columns = 0; columns < 2; columns++) {
            buf text;
            arena a;
            batch b;
            body_form form;
            place at;
            err e = ERR_NONE;
            buf_init(&text, 1 << 22);
            arena_init(&a, 1 << 24);
            (columns ? add_columns : add_rows)(&text, &r, cells, n_rows);
            int rc = decode_predict(&b, &form, NULL, d, buf_str(&text), ROWS_MOST, &at, &a, &e);
            if (rc < 0) fail_msg("%s\n%.*s", e.msg, (int)text.len, text.data);
            assert_int_equal(form, columns ? BODY_COLUMNS : BODY_ROWS);
            assert_int_equal(b.n_rows, n_rows);
            for (size_t row = 0; row < n_rows; row++)
                for (size_t i = 0; i < INPUTS_OF_ALL_N; i++) assert_cell(&b, i, row, &cells[row][i]);
            arena_clear(&a);
            buf_clear(&text);
        }
    }
    decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_back),
        cmocka_unit_test(values_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
