// What a one-row prediction costs beside the system's calls: parse, route, decode, predict, encode, each by itself and
// warm, in nanoseconds.
//   serve_parts MODEL.onnx REQUEST_FILE [ROUNDS]
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "model/model.h"
#include "serve/decode.h"
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
    serving serving;
    arena memory;
    batch batch;
    body_form form;
    prediction prediction;
    buf out;
    str body;
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
    if (dispatch_head(&s->serving, &s->parser, s->data, &m, &r) != 0) exit(1);
}

static void decode(subject *s)
{
    err e = ERR_NONE;
    place at;
    arena_reset(&s->memory);
    if (decode_predict(&s->batch, &s->form, s->decoder, s->body, 1000, &at, &s->memory, &e) < 0) die("decode", &e);
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
    buf_clear(&s.out);
    arena_clear(&s.memory);
    encoder_free(s.encoder);
    decoder_free(s.decoder);
    model_drop(s.model);
    buf_clear(&file);
    buf_clear(&sent);
    return 0;
}
