// Models with inputs and the answers of other programs: onnx's reference cases and onnxruntime. A bundle is an ONNX
// file whose initializers are "K/model" (the bytes), "K/input/I", "K/output/I", and "K/tolerance" where bits may
// differ. Made by cases.py; given paths, it checks those bundles instead of the ones that are kept here.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "engine/plan.h"
#include "graph/onnx.h"

enum { TENSORS_MAX = 64, FILE_MAX = 1 << 28, MEMORY = 1 << 28, NAME_SIZE = 64 };

static const char **paths;

static const tensor *find_tensor(const graph *g, size_t k, const char *what)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%zu/%s", k, what);
    value_id id = graph_find_value(g, name);
    return id == VALUE_NONE ? NULL : &g->values[id].data;
}

static size_t find_tensors(const graph *g, size_t k, const char *what, tensor out[TENSORS_MAX])
{
    for (size_t i = 0;; i++) {
        char name[NAME_SIZE / 2];
        snprintf(name, sizeof name, "%.8s/%zu", what, i);
        const tensor *t = find_tensor(g, k, name);
        if (!t || i == TENSORS_MAX) return i;
        out[i] = *t;
    }
}

static double real_at(const tensor *t, size_t i)
{
    return t->type == DTYPE_F32 ? (double)((const float *)t->data)[i] : ((const double *)t->data)[i];
}

static bool equal_reals(const tensor *have, const tensor *want, size_t i, double tolerance)
{
    double x = real_at(have, i), y = real_at(want, i);
    if (x != x || y != y) return x != x && y != y; // NaN's bits say nothing
    if (tolerance > 0) return x == y || fabs(x - y) <= tolerance * (1 + fabs(y));
    return memcmp((const char *)have->data + i * dtype_size(have->type),
                  (const char *)want->data + i * dtype_size(want->type), dtype_size(have->type)) == 0;
}

// NULL, or what differs.
static const char *difference(const tensor *have, const tensor *want, double tolerance, char text[256])
{
    if (have->type != want->type) {
        snprintf(text, 256, "is %s, not %s", dtype_name(have->type), dtype_name(want->type));
        return text;
    }
    bool same = have->shape.n_dims == want->shape.n_dims;
    for (int d = 0; same && d < have->shape.n_dims; d++) same = have->shape.dims[d] == want->shape.dims[d];
    if (!same) {
        snprintf(text, 256, "has %d dimensions (%lld, %lld, ...), not %d (%lld, %lld, ...)", have->shape.n_dims,
                 (long long)have->shape.dims[0], (long long)have->shape.dims[1], want->shape.n_dims,
                 (long long)want->shape.dims[0], (long long)want->shape.dims[1]);
        return text;
    }
    size_t count = (size_t)shape_count(&want->shape), size = dtype_size(want->type);
    for (size_t i = 0; i < count; i++) {
        if (want->type == DTYPE_STRING) {
            str x = ((const str *)have->data)[i], y = ((const str *)want->data)[i];
            if (str_equal(x, y)) continue;
            snprintf(text, 256, "[%zu] is '" STR_FORMAT "', not '" STR_FORMAT "'", i, STR_ARGS(x), STR_ARGS(y));
            return text;
        }
        if (want->type == DTYPE_F32 || want->type == DTYPE_F64) {
            if (equal_reals(have, want, i, tolerance)) continue;
            snprintf(text, 256, "[%zu] is %.9g, not %.9g", i, real_at(have, i), real_at(want, i));
            return text;
        }
        if (memcmp((const char *)have->data + i * size, (const char *)want->data + i * size, size) == 0) continue;
        snprintf(text, 256, "[%zu] differs", i);
        return text;
    }
    return NULL;
}

// NULL, or what went wrong. Plain kernels and fast ones must both give the answer.
static const char *check_case(const graph *bundle, size_t k, bool plain, char text[256])
{
    const tensor *model = find_tensor(bundle, k, "model"), *tolerance = find_tensor(bundle, k, "tolerance");
    tensor in[TENSORS_MAX], want[TENSORS_MAX], have[TENSORS_MAX];
    find_tensors(bundle, k, "input", in);
    size_t n_want = find_tensors(bundle, k, "output", want);
    err e = ERR_NONE;
    graph *g = NULL;
    plan *p = NULL;
    session *s = NULL;
    const char *wrong = NULL;
    str file = {model->data, (size_t)shape_count(&model->shape)};
    int rc = onnx_read(&g, file, &ONNX_LIMITS_DEFAULT, &e);
    if (rc == 0) rc = plan_new(&p, g, &(plan_options){.plain = plain}, &e);
    if (rc == 0) rc = session_new(&s, p, MEMORY, &e);
    for (int again = 0; rc == 0 && again < 2 && !wrong; again++) { // the second run is the steady state
        rc = session_run(s, in, have, &e);
        for (size_t i = 0; i < n_want && rc == 0 && !wrong; i++)
            wrong = difference(&have[i], &want[i], tolerance ? *(const double *)tolerance->data : 0, text);
    }
    if (rc < 0) {
        snprintf(text, 256, "%s", e.msg);
        wrong = text;
    }
    session_free(s);
    plan_free(p);
    graph_free(g);
    return wrong;
}

static void write_model(const graph *bundle, size_t k)
{
    const char *folder = getenv("WRITTEN");
    const tensor *model = find_tensor(bundle, k, "model");
    graph *g;
    err e = ERR_NONE;
    if (!folder || onnx_read(&g, (str){model->data, (size_t)shape_count(&model->shape)}, &ONNX_LIMITS_DEFAULT, &e) < 0)
        return;
    char path[4096];
    buf file;
    buf_init(&file, FILE_MAX);
    snprintf(path, sizeof path, "%s/%zu.onnx", folder, k);
    if (onnx_write(g, &file, &e) < 0 || file_write_atomic(path, buf_str(&file), 0644, &e) < 0) fail_msg("%s", e.msg);
    buf_clear(&file);
    graph_free(g);
}

static size_t check_bundle(const char *path, size_t *n_cases)
{
    err e = ERR_NONE;
    buf file;
    graph *bundle;
    if (file_read(path, FILE_MAX, &file, &e) < 0) fail_msg("%s", e.msg);
    if (onnx_read(&bundle, buf_str(&file), &ONNX_LIMITS_DEFAULT, &e) < 0) fail_msg("%s: %s", path, e.msg);
    size_t n_wrong = 0, k = 0;
    for (const tensor *name; (name = find_tensor(bundle, k, "name")); k++) {
        char text[256];
        write_model(bundle, k);
        const char *wrong = check_case(bundle, k, false, text);
        if (!wrong) wrong = check_case(bundle, k, true, text);
        if (!wrong) continue;
        n_wrong++;
        printf("%zu " STR_FORMAT ": %s\n", k, STR_ARGS(((const str *)name->data)[0]), wrong);
    }
    printf("%s: %zu cases, %zu wrong\n", path, k, n_wrong);
    *n_cases += k;
    graph_free(bundle);
    buf_clear(&file);
    return n_wrong;
}

static void answers_are_those_of_others(void **state)
{
    (void)state;
    size_t n_wrong = 0, n_cases = 0;
    for (const char **p = paths; *p; p++) n_wrong += check_bundle(*p, &n_cases);
    assert_true(n_cases > 0);
    assert_int_equal(n_wrong, 0);
}

int main(int argc, char **argv)
{
    static const char *kept[] = {TEST_SOURCE_DIR "/tests/golden/engine/onnx.bundle",
                                 TEST_SOURCE_DIR "/tests/golden/engine/onnxruntime.bundle", NULL};
    paths = argc > 1 ? (const char **)(argv + 1) : kept;
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_those_of_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
