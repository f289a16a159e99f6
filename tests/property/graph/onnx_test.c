// ONNX files: what is written is read back as the same graph, the bytes are the same again, and no damage to a file
// does more than an error.
// SPDX-License-Identifier: Apache-2.0
#include "graph/onnx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"

enum { MEMORY = 256 << 20, GRAPHS = 200, VALUES = 24, FILE_MAX = 1 << 24 };

static uint64_t seed_of_run(void)
{
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 42;
    printf("SEED=%" PRIu64 "\n", seed);
    return seed;
}

static str random_str(rng *r, char room[16])
{
    size_t len = rng_below(r, 16);
    for (size_t i = 0; i < len; i++) room[i] = (char)rng_below(r, 256);
    return (str){room, len};
}

static value_type random_type(rng *r)
{
    static const dtype types[] = {DTYPE_F32, DTYPE_I64, DTYPE_STRING, DTYPE_BOOL, DTYPE_F64, DTYPE_BF16};
    value_type t = {.type = types[rng_below(r, 6)], .n_dims = (int)rng_below(r, 5) - 1};
    for (int i = 0; i < t.n_dims; i++) {
        t.dims[i].size = (int64_t)rng_below(r, 4) - 1;
        if (t.dims[i].size < 0 && rng_below(r, 2)) t.dims[i].name = rng_below(r, 2) ? "N" : "sequence";
    }
    return t;
}

// A tensor over `room`, which has space for 27 elements of any type.
static tensor random_tensor(rng *r, void *room, char text[16])
{
    tensor t = {
        .type = (dtype)(1 + rng_below(r, DTYPES_N - 1)), .shape = {.n_dims = (int)rng_below(r, 4)}, .data = room};
    for (int i = 0; i < t.shape.n_dims; i++) t.shape.dims[i] = (int64_t)rng_below(r, 4);
    size_t count = (size_t)shape_count(&t.shape);
    if (t.type == DTYPE_STRING) {
        str s = random_str(r, text);
        for (size_t i = 0; i < count; i++) ((str *)room)[i] = (str){s.data, rng_below(r, s.len + 1)};
        return t;
    }
    uint8_t *data = room;
    for (size_t i = 0; i < count * dtype_size(t.type); i++)
        data[i] = (uint8_t)rng_below(r, t.type == DTYPE_BOOL ? 2 : 256);
    return t;
}

static graph *random_graph(rng *r)
{
    graph *g;
    err e = ERR_NONE;
    assert_int_equal(graph_new(&g, MEMORY, &e), 0);
    value_id values[VALUES];
    size_t n = 0;
    _Alignas(16) char room[27 * 16];
    char text[16], text2[16], name[32];
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "input%zu", i);
        values[n++] = graph_add_input(g, name, random_type(r), &e);
    }
    for (size_t i = 0; i < 4; i++) {
        tensor t = random_tensor(r, room, text);
        values[n++] = graph_add_constant(g, "constant", &t, &e);
    }
    size_t n_nodes = rng_below(r, VALUES - n);
    for (size_t k = 0; k < n_nodes; k++) {
        float floats[3] = {(float)rng_f64(r), (float)rng_normal(r), -0.0f};
        int64_t ints[3] = {(int64_t)rng_u64(r), -1, INT64_MIN};
        str strings[2] = {random_str(r, text), random_str(r, text2)};
        tensor t = random_tensor(r, room, text);
        attribute all[] = {attribute_float("f", floats),
                           attribute_int("i", ints),
                           attribute_string("s", strings),
                           attribute_floats("floats", floats, rng_below(r, 4)),
                           attribute_ints("ints", ints, rng_below(r, 4)),
                           attribute_strings("strings", strings, rng_below(r, 3)),
                           {.name = "t", .kind = ATTRIBUTE_TENSOR, .n = 1, .tensor = &t}};
        value_id in[3];
        for (size_t i = 0; i < 3; i++) in[i] = rng_below(r, 5) ? values[rng_below(r, n)] : VALUE_NONE;
        values[n] = graph_add_value(g, "computed", (value_type){.n_dims = -1}, &e);
        value_id out[2] = {values[n++], VALUE_NONE};
        size_t from = rng_below(r, 7);
        assert_int_equal(graph_add_node(g, rng_below(r, 2) ? "" : "ai.onnx.ml", "Op", in, rng_below(r, 4), out,
                                        1 + rng_below(r, 2), all + from, rng_below(r, 8 - from), &e),
                         0);
    }
    graph_value *last = &g->values[values[n - 1]];
    if (last->kind == VALUE_COMPUTED) last->type.type = DTYPE_F32; // an output has a type
    assert_int_equal(graph_add_output(g, values[n - 1], &e), 0);
    assert_int_equal(graph_add_metadata(g, "key", random_str(r, text), &e), 0);
    if (graph_check(g, &e) < 0) fail_msg("%s", e.msg);
    return g;
}

static void same_tensor(const tensor *a, const tensor *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->shape.n_dims, b->shape.n_dims);
    for (int i = 0; i < a->shape.n_dims; i++) assert_int_equal(a->shape.dims[i], b->shape.dims[i]);
    size_t count = (size_t)shape_count(&a->shape);
    if (a->type == DTYPE_STRING) {
        for (size_t i = 0; i < count; i++) assert_true(str_equal(((str *)a->data)[i], ((str *)b->data)[i]));
    } else if (count) {
        assert_memory_equal(a->data, b->data, count * dtype_size(a->type));
    }
}

static void same_type(const value_type *a, const value_type *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->n_dims, b->n_dims);
    for (int i = 0; i < a->n_dims; i++) {
        assert_int_equal(a->dims[i].size, b->dims[i].size);
        assert_string_equal(a->dims[i].name ? a->dims[i].name : "", b->dims[i].name ? b->dims[i].name : "");
    }
}

static void same_attribute(const attribute *a, const attribute *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->n, b->n);
    switch (a->kind) {
    case ATTRIBUTE_TENSOR: same_tensor(a->tensor, b->tensor); break;
    case ATTRIBUTE_STRING:
    case ATTRIBUTE_STRINGS:
        for (size_t i = 0; i < a->n; i++) assert_true(str_equal(a->strings[i], b->strings[i]));
        break;
    default:
        if (a->n == 0) break;
        bool wide = a->kind == ATTRIBUTE_INT || a->kind == ATTRIBUTE_INTS;
        assert_memory_equal(a->floats, b->floats, a->n * (wide ? sizeof(int64_t) : sizeof(float)));
    }
}

static const char *name_of(const graph *g, value_id id)
{
    return id == VALUE_NONE ? "" : g->values[id].name;
}

static void same_graph(const graph *a, const graph *b)
{
    assert_int_equal(a->ir_version, b->ir_version);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->n_opsets, b->n_opsets);
    for (size_t i = 0; i < a->n_opsets; i++)
        assert_int_equal(graph_opset(b, a->opsets[i].domain), a->opsets[i].version);
    assert_int_equal(a->n_nodes, b->n_nodes);
    for (size_t k = 0; k < a->n_nodes; k++) {
        const node *x = &a->nodes[k], *y = &b->nodes[k];
        assert_string_equal(x->domain, y->domain);
        assert_string_equal(x->op, y->op);
        assert_int_equal(x->n_inputs, y->n_inputs);
        for (size_t i = 0; i < x->n_inputs; i++)
            assert_string_equal(name_of(a, x->inputs[i]), name_of(b, y->inputs[i]));
        assert_int_equal(x->n_outputs, y->n_outputs);
        for (size_t i = 0; i < x->n_outputs; i++)
            assert_string_equal(name_of(a, x->outputs[i]), name_of(b, y->outputs[i]));
        assert_int_equal(x->n_attributes, y->n_attributes);
        for (size_t i = 0; i < x->n_attributes; i++) same_attribute(&x->attributes[i], &y->attributes[i]);
    }
    assert_int_equal(a->n_inputs, b->n_inputs);
    for (size_t i = 0; i < a->n_inputs; i++) same_type(&a->values[a->inputs[i]].type, &b->values[b->inputs[i]].type);
    assert_int_equal(a->n_outputs, b->n_outputs);
    for (size_t i = 0; i < a->n_outputs; i++) same_type(&a->values[a->outputs[i]].type, &b->values[b->outputs[i]].type);
    for (size_t i = 0; i < a->n_values; i++) {
        if (a->values[i].kind != VALUE_CONSTANT) continue;
        value_id other = graph_find_value(b, a->values[i].name);
        assert_true(other != VALUE_NONE && b->values[other].kind == VALUE_CONSTANT);
        same_tensor(&a->values[i].data, &b->values[other].data);
    }
    for (size_t i = 0; i < a->n_metadata; i++)
        assert_true(str_equal(graph_find_metadata(b, a->metadata[i].key)->value, a->metadata[i].value));
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    rng r = rng_new(seed_of_run(), 1);
    for (int k = 0; k < GRAPHS; k++) {
        graph *g = random_graph(&r), *again;
        buf first, second;
        buf_init(&first, FILE_MAX);
        buf_init(&second, FILE_MAX);
        err e = ERR_NONE;
        if (onnx_write(g, &first, &e) < 0) fail_msg("%s", e.msg);
        if (onnx_read(&again, buf_str(&first), &ONNX_LIMITS_DEFAULT, &e) < 0) fail_msg("graph %d: %s", k, e.msg);
        same_graph(g, again);
        assert_int_equal(onnx_write(again, &second, &e), 0);
        assert_true(str_equal(buf_str(&first), buf_str(&second)));
        graph_free(g);
        graph_free(again);
        buf_clear(&first);
        buf_clear(&second);
    }
}

// A copy exactly as long as the bytes, so that the address sanitizer sees an overrun.
static int read_copy(const char *data, size_t len, err *e)
{
    char *copy = mem_alloc(len, 1);
    memcpy(copy, data, len);
    graph *g;
    int rc = onnx_read(&g, (str){copy, len}, &ONNX_LIMITS_DEFAULT, e);
    if (rc == 0) graph_free(g);
    mem_free(copy);
    return rc;
}

static void damage_is_an_error_or_harmless(void **state)
{
    (void)state;
    rng r = rng_new(seed_of_run(), 2);
    for (int k = 0; k < 4; k++) {
        graph *g = random_graph(&r);
        buf file;
        buf_init(&file, FILE_MAX);
        err e = ERR_NONE;
        assert_int_equal(onnx_write(g, &file, &e), 0);
        for (size_t len = 0; len < file.len; len++) {
            int rc = read_copy(file.data, len, &e);
            // A file may only be whole where the last entries of the model are left out.
            if (rc == 0)
                assert_true(len > file.len / 2);
            else
                assert_true(e.msg[0] && e.code == rc);
        }
        for (int flip = 0; flip < 2000; flip++) {
            size_t at = rng_below(&r, file.len);
            char before = file.data[at];
            file.data[at] = (char)rng_below(&r, 256);
            if (read_copy(file.data, file.len, &e) < 0) assert_true(e.msg[0] != '\0');
            file.data[at] = before;
        }
        buf_clear(&file);
        graph_free(g);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    rng r = rng_new(seed_of_run(), 3);
    graph *g = random_graph(&r), *again = NULL;
    buf file;
    buf_init(&file, FILE_MAX);
    assert_int_equal(onnx_write(g, &file, NULL), 0);
    int rc = ERR_MEMORY;
    for (uint64_t nth = 1; rc < 0; nth++) {
        err e = ERR_NONE;
        mem_fail_at(nth, 0);
        rc = onnx_read(&again, buf_str(&file), &ONNX_LIMITS_DEFAULT, &e);
        mem_fail_at(0, 0);
        if (rc < 0) assert_int_equal(e.code, ERR_MEMORY);
    }
    same_graph(g, again);
    graph_free(again);
    rc = ERR_MEMORY;
    for (uint64_t nth = 1; rc < 0; nth++) {
        buf other;
        buf_init(&other, FILE_MAX);
        mem_fail_at(nth, 0);
        rc = onnx_write(g, &other, NULL);
        mem_fail_at(0, 0);
        if (rc == 0) assert_true(str_equal(buf_str(&other), buf_str(&file)));
        buf_clear(&other);
    }
    buf_clear(&file);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(damage_is_an_error_or_harmless),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
