// Every preparation compiles to a row program, whatever its options, and gives the bytes of the plain graph.
// SPDX-License-Identifier: Apache-2.0
#include "prepare/prepare.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "engine/plan.h"
#include "engine/row_program.h"

enum { ROWS = 40, TESTED = 100, TARGET = 7, INPUTS_MAX = 16, MEMORY = 64 << 20, PREPARATIONS = 200 };

static const char *const towns[] = {"Aix", "Bonn", "Cork", "", "Dover"};

static frame *random_frame(rng *r)
{
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    double age[ROWS], weight[ROWS];
    int64_t class[ROWS], alive[ROWS], when[ROWS], then[ROWS], target[ROWS];
    str town[ROWS], port[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        age[i] = rng_below(r, 4) ? (double)rng_below(r, 80) : NAN;
        weight[i] = rng_normal(r);
        class[i] = (int64_t)rng_below(r, 3);
        alive[i] = (int64_t)rng_below(r, 2);
        when[i] = rng_below(r, 5) ? (int64_t)rng_below(r, 1000000) : FRAME_I64_MISSING;
        then[i] = (int64_t)rng_u64(r) / 1000000;
        target[i] = (int64_t)rng_below(r, 2);
        town[i] = rng_below(r, 5) ? str_of(towns[rng_below(r, 3)]) : (str){NULL, 0};
        port[i] = str_of(towns[rng_below(r, 3)]);
    }
    check_ok(frame_builder_new(&b, ROWS, &e), &e);
    check_ok(frame_builder_add_f64(b, "age", COLUMN_REAL, age, &e), &e);
    check_ok(frame_builder_add_f64(b, "weight", COLUMN_REAL, weight, &e), &e);
    check_ok(frame_builder_add_i64(b, "class", COLUMN_INTEGER, class, &e), &e);
    check_ok(frame_builder_add_i64(b, "alive", COLUMN_BOOLEAN, alive, &e), &e);
    check_ok(frame_builder_add_i64(b, "when", COLUMN_DATETIME, when, &e), &e);
    check_ok(frame_builder_add_strings(b, "town", COLUMN_CATEGORY, town, &e), &e);
    check_ok(frame_builder_add_strings(b, "port", COLUMN_CATEGORY, port, &e), &e);
    check_ok(frame_builder_add_i64(b, "target", COLUMN_INTEGER, target, &e), &e);
    if (rng_below(r, 2)) check_ok(frame_builder_add_i64(b, "then", COLUMN_DATETIME, then, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}

static prepare_options random_options(rng *r)
{
    static const char *const some[] = {"town", "age", "when", "class"};
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    o.impute_number = (impute_kind)rng_below(r, 5);
    o.impute_text = (impute_kind[]){IMPUTE_NONE, IMPUTE_MODE, IMPUTE_CONSTANT}[rng_below(r, 3)];
    o.scale = (scale_kind)rng_below(r, 3);
    o.encode = (encode_kind)rng_below(r, 2);
    o.indicator = rng_below(r, 2);
    if (rng_below(r, 3) == 0) {
        o.columns = some + rng_below(r, 2);
        o.n_columns = 1 + rng_below(r, 3);
    }
    return o;
}

static void random_input(rng *r, const value_type *t, tensor *out, void *room)
{
    *out = (tensor){.type = t->type, .shape = {.n_dims = 2, .dims = {TESTED, t->dims[1].size}}, .data = room};
    size_t n = (size_t)shape_count(&out->shape);
    for (size_t i = 0; i < n; i++) {
        if (t->type == DTYPE_F32)
            ((float *)room)[i] = rng_below(r, 5) ? (float)rng_normal(r) : NAN;
        else if (t->type == DTYPE_I64)
            ((int64_t *)room)[i] = rng_below(r, 5) ? (int64_t)rng_below(r, 2000000) : FRAME_I64_MISSING;
        else
            ((str *)room)[i] = str_of(towns[rng_below(r, 5)]);
    }
}

static void compare(rng *r, const graph *g)
{
    err e = ERR_NONE;
    row_program *program;
    plan *p;
    session *s;
    check_ok(row_program_compile(&program, g, &e), &e);
    check_ok(plan_new(&p, g, &(plan_options){.plain = true}, &e), &e);
    check_ok(session_new(&s, p, MEMORY, &e), &e);
    static _Alignas(16) char rooms[INPUTS_MAX][TESTED * 16];
    tensor in[INPUTS_MAX], out;
    for (size_t i = 0; i < g->n_inputs; i++) random_input(r, &g->values[g->inputs[i]].type, &in[i], rooms[i]);
    arena scratch;
    arena_init(&scratch, MEMORY);
    size_t n = TESTED * row_program_n_features(program);
    float *have = mem_alloc(n, sizeof *have);
    check_ok(session_run(s, in, &out, &e), &e);
    check_ok(row_program_run(program, in, TESTED, NULL, NULL, have, &scratch, &e), &e);
    for (size_t i = 0; i < n; i++) {
        float want = ((const float *)out.data)[i];
        if (have[i] != have[i] && want != want) continue;
        if (memcmp(&have[i], &want, sizeof want) != 0)
            fail_msg("[%zu] %.9g, not %.9g", i, (double)have[i], (double)want);
    }
    mem_free(have);
    arena_clear(&scratch);
    session_free(s);
    plan_free(p);
    row_program_free(program);
}

static void preparations_are_row_programs(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    uint32_t rows[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) rows[i] = i;
    for (uint64_t i = 0; i < PREPARATIONS; i++) {
        rng r = rng_new(seed, i);
        err e = ERR_NONE;
        frame *f = random_frame(&r);
        prepare_options o = random_options(&r);
        preparation *p = NULL;
        check_ok(preparation_fit(&p, f, TARGET, rows, ROWS, &o, NULL, &e), &e);
        graph *g;
        value_id features;
        check_ok(graph_new(&g, MEMORY, &e), &e);
        check_ok(preparation_emit(p, g, &features, &e), &e);
        assert_int_equal(graph_add_output(g, features, &e), 0);
        check_ok(graph_check(g, &e), &e);
        compare(&r, g);
        graph_free(g);
        preparation_free(p);
        frame_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(preparations_are_row_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
