// What a one-row prediction costs beside the system's calls: parse, route, decode, predict, encode, each by itself and
// warm, in nanoseconds; then what it costs to count a row for drift, and not to once a second has had its fill.
// With a DATA_DIR, where it makes a key, also what that key costs: remembered by its connection, and seen
// first; and a unit of its quota and its tenant's.
//   serve_parts MODEL.onnx REQUEST_FILE [ROUNDS [DATA_DIR]]
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "model/model.h"
#include "serve/decode.h"
#include "serve/drift.h"
#include "serve/encode.h"
#include "serve/http.h"
#include "serve/serving.h"

typedef struct subject {
    char *data;
    size_t len;
    http_parser parser;
    model *model;
    decoder *decoder;
    encoder *encoder;
    drift *drift;
    int64_t now_ms;
    serving serving;
    arena memory;
    batch batch;
    body_form form;
    prediction prediction;
    buf out;
    str body;
    sites sites;
    access_table *keys;
    quota_book *book;
    registry *registry;
    const principal *who;
    access_seen seen;
    char key[KEY_TEXT_SIZE];
} subject;

static void die(const char *what, const err *e)
{
    fprintf(stderr, "parts: %s: %s\n", what, e->msg);
    exit(1);
}

static void parse(subject *s)
{
    static const http_limits limits = {.head_max = 16384, .body_max = 1 << 20};
    http_parser_init(&s->parser);
    if (http_parse(&s->parser, s->data, s->len, &limits) != STEP_HEAD ||
        http_parse(&s->parser, s->data, s->len, &limits) != STEP_DONE)
        exit(1);
}

static void dispatch(subject *s)
{
    route_match m;
    response r = {.body = &s->out};
    if (dispatch_head(&s->serving, &s->parser, s->data, &s->seen, &m, &r) != 0) exit(1);
}

static void know_key(subject *s)
{
    if (access_find(s->keys, &s->seen, (str){0}, str_of(s->key), &s->who) != ACCESS_KNOWN) exit(1);
}

static void learn_key(subject *s)
{
    access_forget(&s->seen);
    know_key(s);
}

// Of a key and its tenant; now and then the registry is asked.
static void take_units(subject *s)
{
    err e = ERR_NONE;
    if (quota_take(s->who, 1, s->registry, clock_coarse_ms(), &e).verdict != QUOTA_TAKEN) die("quota", &e);
}

static void make_key(subject *s, const char *data_dir)
{
    err e = ERR_NONE;
    const key_options o = {.label = "bench", .tenant = "", .roles = ROLE_PREDICTOR};
    if (registry_open(&s->registry, data_dir, NULL, &e) < 0 || quota_book_new(&s->book, &e) < 0 ||
        registry_key_create(s->registry, &o, s->key, NULL, &e) < 0 ||
        access_table_new(&s->keys, s->registry, s->book, &e) < 0)
        die("key", &e);
    know_key(s);
}

static void decode(subject *s)
{
    err e = ERR_NONE;
    place at;
    arena_reset(&s->memory);
    if (decode_predict(&s->batch, &s->form, NULL, s->decoder, s->body, 1000, &at, &s->memory, &e) < 0)
        die("decode", &e);
}

static void predict(subject *s)
{
    err e = ERR_NONE;
    arena_mark mark = arena_get_mark(&s->memory);
    if (model_predict(s->model, &s->batch, &s->prediction, &s->memory, &e) < 0) die("predict", &e);
    if (s->prediction.n_rows != 1) exit(1);
    (void)mark;
}

static void predict_again(subject *s) // with the arena as a request has it
{
    arena_mark mark = arena_get_mark(&s->memory);
    predict(s);
    arena_rewind(&s->memory, mark);
}

static void encode(subject *s)
{
    buf_reset(&s->out);
    encode_prediction(s->encoder, s->form, &s->prediction, &s->out);
}

static void watch(subject *s) // time goes on fast enough that every row is counted
{
    s->now_ms += 1024 / (DRIFT_ROWS_A_SECOND / 2);
    drift_count(s->drift, 0, &s->batch, &s->prediction, s->now_ms);
}

static void pass_by(subject *s)
{
    drift_count(s->drift, 0, &s->batch, &s->prediction, s->now_ms);
}

static double time_of(subject *s, void (*part)(subject *s), int rounds)
{
    double best = 1e18;
    for (int i = 0; i < 20; i++) { // the least of several: others use this machine too
        uint64_t start = clock_monotonic_ns();
        for (int k = 0; k < rounds; k++) part(s);
        double ns = (double)(clock_monotonic_ns() - start) / rounds;
        if (ns < best) best = ns;
    }
    return best;
}

int main(int argc, char **argv)
{
    static subject s;
    err e = ERR_NONE;
    buf file, sent;
    package *p;
    if (argc < 3) return 2;
    int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 20000;
    if (file_read(argv[1], 1 << 30, &file, &e) < 0 || file_read(argv[2], 1 << 20, &sent, &e) < 0 ||
        package_from_onnx(&p, buf_str(&file), &e) < 0 || model_open(&s.model, p, &e) < 0 ||
        decoder_new(&s.decoder, model_schema(s.model), &e) < 0 ||
        encoder_new(&s.encoder, model_schema(s.model), "titanic", 1, &e) < 0)
        die("open", &e);
    s.data = sent.data;
    s.len = sent.len;
    s.serving.loopback = true;
    s.serving.sites = &s.sites;
    if (sites_init(&s.sites, "127.0.0.1", true, "", "", &e) < 0) die("sites", &e);
    if (argc > 4) make_key(&s, argv[4]);
    arena_init(&s.memory, 1 << 24);
    buf_init(&s.out, 1 << 20);
    parse(&s);
    s.body = (str){s.data + s.parser.body_at, s.parser.body_len};
    decode(&s);
    predict(&s);
    encode(&s);
    const struct {
        const char *name;
        void (*part)(subject *s);
    } parts[] = {
        {"parse", parse}, {"dispatch", dispatch}, {"predict", predict_again}, {"encode", encode}, {"decode", decode}};
    double sum = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        double ns = time_of(&s, parts[i].part, rounds);
        printf("%s %.0f  ", parts[i].name, ns);
        sum += ns;
    }
    printf("sum %.0f ns\n", sum);
    const package *made = model_package(s.model);
    if (made->baseline) {
        if (drift_new(&s.drift, &made->schema, made->baseline, 1, INT64_C(1) << 40, &e) < 0) die("drift", &e);
        double counted = time_of(&s, watch, rounds);
        for (int i = 0; i < DRIFT_ROWS_A_SECOND; i++) pass_by(&s);
        printf("drift, of %zu columns: a row counted %.0f, passed by %.1f ns\n", made->baseline->n_inputs, counted,
               time_of(&s, pass_by, rounds));
    }
    if (s.keys)
        printf("key remembered %.0f, first seen %.0f, quota %.0f ns\n", time_of(&s, know_key, rounds),
               time_of(&s, learn_key, rounds), time_of(&s, take_units, rounds));
    access_forget(&s.seen);
    access_table_drop(s.keys);
    quota_book_free(s.book);
    registry_close(s.registry);
    sites_clear(&s.sites);
    buf_clear(&s.out);
    arena_clear(&s.memory);
    drift_free(s.drift);
    encoder_free(s.encoder);
    decoder_free(s.decoder);
    model_drop(s.model);
    buf_clear(&file);
    buf_clear(&sent);
    return 0;
}
