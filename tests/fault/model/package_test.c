// Packages made, read and derived while memory runs out.
// SPDX-License-Identifier: Apache-2.0
#include "model/package.h"

#include "fault/faults.h"
#include "graph/onnx.h"
#include "helpers/packages.h"

static int make(void *context, err *e)
{
    (void)context;
    package *p = NULL;
    int rc = sample_package(&p, 1, e);
    package_free(p);
    return rc;
}

static int read_file(void *context, err *e)
{
    package *p = NULL;
    int rc = package_from_onnx(&p, *(str *)context, e);
    package_free(p);
    return rc;
}

static int read_manifest(void *context, err *e)
{
    const package *from = context;
    package *p = NULL;
    TRY(package_read_manifest(&p, (str){from->manifest, from->manifest_len}, e));
    str content = from->blobs[0].content;
    char *copy = mem_strndup(content.data, content.len);
    int rc = copy ? package_take_blob(p, 0, (str){copy, content.len}, false, e) : err_set(e, ERR_MEMORY, "no copy");
    package_free(p);
    return rc;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    package *p;
    str file;
    err e = ERR_NONE;
    assert_true(faults_of_memory(make, NULL, NULL, 0) > 100);
    check_ok(sample_package(&p, 1, &e), &e);
    check_ok(package_onnx(p, &file, &e), &e);
    assert_true(faults_of_memory(read_file, NULL, &file, 0) > 100);
    assert_true(faults_of_memory(read_file, NULL, &file, 1) > 100);
    assert_true(faults_of_memory(read_manifest, NULL, p, 0) > 50);
    package_free(p);
}

static void memory_may_run_out_for_a_foreign_model(void **state)
{
    (void)state;
    graph *g = sample_graph(NULL);
    buf text;
    err e = ERR_NONE;
    buf_init(&text, 1 << 20);
    check_ok(graph_check(g, &e), &e);
    check_ok(onnx_write(g, &text, &e), &e);
    graph_free(g);
    // Its label is text without names, which is refused: with int64 for string it is a model that can be served.
    str file = buf_str(&text);
    err refused = ERR_NONE;
    check_fails(read_file(&file, &refused), ERR_UNSUPPORTED, &refused);
    buf_clear(&text);
    check_ok(graph_new(&g, 1 << 20, &e), &e);
    int x = graph_add_input(g, "x", value_type_rows(DTYPE_F32, 3), &e);
    int label = graph_add_value(g, "label", value_type_rows(DTYPE_I64, -1), &e);
    int scores = graph_add_value(g, "scores", value_type_rows(DTYPE_F32, 4), &e);
    check_ok(graph_add_node(g, "slipway", "Sample", &x, 1, (value_id[]){label, scores}, 2, NULL, 0, &e), &e);
    check_ok(graph_add_output(g, label, &e), &e);
    check_ok(graph_add_output(g, scores, &e), &e);
    check_ok(graph_check(g, &e), &e);
    check_ok(onnx_write(g, &text, &e), &e);
    file = buf_str(&text);
    assert_true(faults_of_memory(read_file, NULL, &file, 0) > 100);
    buf_clear(&text);
    graph_free(g);
}

int main(void)
{
    json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(memory_may_run_out_for_a_foreign_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
