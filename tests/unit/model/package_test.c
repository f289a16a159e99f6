// Packages: the manifest's form, the one digest of all ways, and what is refused.
// SPDX-License-Identifier: Apache-2.0
#include "model/package.h"

#include "base/buf.h"
#include "base/mem.h"
#include "check.h"
#include "graph/onnx.h"
#include "helpers/packages.h"

static package *make(int tag)
{
    package *p;
    err e = ERR_NONE;
    if (sample_package(&p, tag, &e) < 0) fail_msg("%s", e.msg);
    return p;
}

static str manifest_of(const package *p)
{
    return (str){p->manifest, p->manifest_len};
}

static void manifest_is_canonical(void **state)
{
    (void)state;
    package *p = make(1);
    char start[256];
    snprintf(start, sizeof start,
             "{\"blobs\":{\"model.onnx\":{\"sha256\":\"%s\",\"size\":%zu}},\"driver\":\"once\",\"format\":1,",
             p->blobs[0].sha256, p->blobs[0].content.len);
    assert_memory_equal(p->manifest, start, strlen(start));
    assert_non_null(
        strstr(p->manifest, ",\"missing\":{\"float32\":\"NaN\",\"int64\":-9223372036854775808,\"string\":\"\"},"));
    json_t *root;
    buf again;
    buf_init(&again, 1 << 20);
    assert_int_equal(json_parse(&root, manifest_of(p), NULL), 0);
    assert_int_equal(json_format(root, false, &again, NULL), 0);
    assert_true(str_equal(buf_str(&again), manifest_of(p)));
    char sum[SHA256_HEX_SIZE];
    sha256_hex_of(p->manifest, p->manifest_len, sum);
    assert_string_equal(sum, p->digest);
    json_decref(root);
    buf_clear(&again);
    package_free(p);
}

static void same_parts_give_the_same_package(void **state)
{
    (void)state;
    package *a = make(1), *b = make(1), *c = make(2);
    assert_string_equal(a->digest, b->digest);
    assert_string_not_equal(a->digest, c->digest);
    package_free(a);
    package_free(b);
    package_free(c);
}

static void assert_same(const package *a, const package *b)
{
    assert_string_equal(a->digest, b->digest);
    assert_true(str_equal(manifest_of(a), manifest_of(b)));
    assert_int_equal(a->n_blobs, b->n_blobs);
    assert_true(str_equal(a->blobs[0].content, b->blobs[0].content));
    assert_string_equal(a->recipe, b->recipe);
    assert_string_equal(a->driver, b->driver);
    assert_true(json_equal(a->options, b->options));
    assert_true(json_equal(a->metrics, b->metrics));
    assert_int_equal(a->schema.n_inputs, b->schema.n_inputs);
    assert_string_equal(a->schema.target.classes[2], b->schema.target.classes[2]);
}

static void single_file_is_the_same_package(void **state)
{
    (void)state;
    package *p = make(1), *again;
    str file;
    err e = ERR_NONE;
    assert_int_equal(package_onnx(p, &file, NULL), 0);
    if (package_from_onnx(&again, file, &e) < 0) fail_msg("%s", e.msg);
    assert_same(p, again);
    package_free(again);
    package_free(p);
}

static str copy_of(str s)
{
    return (str){mem_strndup(s.data, s.len), s.len};
}

static void manifest_and_blobs_are_the_same_package(void **state)
{
    (void)state;
    package *p = make(1), *again;
    assert_int_equal(package_read_manifest(&again, manifest_of(p), NULL), 0);
    assert_null(again->blobs[0].content.data);
    assert_int_equal(package_take_blob(again, 0, copy_of(p->blobs[0].content), false, NULL), 0);
    assert_same(p, again);
    package_free(again);
    package_free(p);
}

static void other_blobs_are_refused(void **state)
{
    (void)state;
    package *p = make(1), *again;
    err e = ERR_NONE;
    assert_int_equal(package_read_manifest(&again, manifest_of(p), NULL), 0);
    str shorter = copy_of(p->blobs[0].content), other = copy_of(p->blobs[0].content);
    shorter.len--;
    ((char *)other.data)[7] ^= 1;
    assert_int_equal(package_take_blob(again, 0, shorter, false, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.msg, "bytes, the manifest says"));
    assert_int_equal(package_take_blob(again, 0, other, false, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.msg, "SHA-256"));
    package_free(again);
    package_free(p);
}

// The manifest of a sample with `from` replaced by `to`, once, is refused with `code` and a message that holds `says`.
static void assert_refused(const char *from, const char *to, int code, const char *says)
{
    package *p = make(1), *out = NULL;
    err e = ERR_NONE;
    char *at = strstr(p->manifest, from);
    if (!at) fail_msg("%s is not in %s", from, p->manifest);
    buf text;
    buf_init(&text, 1 << 20);
    buf_add(&text, p->manifest, (size_t)(at - p->manifest));
    buf_add_text(&text, to);
    buf_add_text(&text, at + strlen(from));
    int rc = package_read_manifest(&out, buf_str(&text), &e);
    if (rc != code || !strstr(e.msg, says)) fail_msg("%s -> %s: %d %s", from, to, rc, e.msg);
    assert_null(out);
    assert_int_equal(strncmp(e.msg, "manifest: ", 10), 0);
    buf_clear(&text);
    package_free(p);
}

static void faults_in_manifests_are_refused(void **state)
{
    (void)state;
    assert_refused("\"format\":1", "\"format\":2,\"new\":0", ERR_UNSUPPORTED,
                   "made by a newer Slipway (package format 2");
    assert_refused("\"format\":1", "\"format\":0", ERR_FORMAT, "format");
    assert_refused("\"format\":1", "\"format\":\"1\"", ERR_FORMAT, "format");
    assert_refused("\"format\":1", "\"format\":1,\"other\":1", ERR_FORMAT, "unknown member \"other\"");
    assert_refused("\"format\":1,", "", ERR_FORMAT, "format");
    assert_refused("\"driver\":\"once\"", "\"driver\":\"\"", ERR_FORMAT, "driver");
    assert_refused("\"driver\":\"once\"", "\"driver\":\"../x\"", ERR_FORMAT, "driver");
    assert_refused("\"driver\":\"once\"", "\"driver\":7", ERR_FORMAT, "driver");
    assert_refused("\"recipe\":\"tabular-", "\"recipe\":\"Tabular ", ERR_FORMAT, "recipe");
    assert_refused("\"metrics\":{\"accuracy\":0.5}", "\"metrics\":[]", ERR_FORMAT, "metrics");
    assert_refused("\"training\":{}", "\"training\":null", ERR_FORMAT, "training");
    assert_refused("\"float32\":\"NaN\"", "\"float32\":\"0\"", ERR_FORMAT, "missing");
    assert_refused("-9223372036854775808", "0", ERR_FORMAT, "missing");
    assert_refused("\"string\":\"\"", "\"string\":\"\",\"x\":1", ERR_FORMAT, "unknown member \"x\"");
    assert_refused("\"sha256\":\"", "\"sha256\":\"A", ERR_FORMAT, "sha256");
    assert_refused("\"size\":", "\"size\":-", ERR_FORMAT, "size");
    assert_refused("\"size\":", "\"size\":0", ERR_FORMAT, "JSON");
    assert_refused("\"size\":", "\"mode\":1,\"size\":", ERR_FORMAT, "mode");
    assert_refused("model.onnx", "model.tflite", ERR_FORMAT, "model.onnx");
    assert_refused("model.onnx", "../../etc/passwd", ERR_FORMAT, "role");
    assert_refused("{\"blobs\"", "{ \"blobs\"", ERR_FORMAT, "one form");
    assert_refused("\"type\":\"real\"", "\"type\":\"complex\"", ERR_FORMAT, "schema: inputs[0]");
    assert_refused("{\"blobs\"", "{\"driver\":\"once\",\"blobs\"", ERR_FORMAT, "JSON");
    package *out;
    assert_int_equal(package_read_manifest(&out, STR("[]"), NULL), ERR_FORMAT);
    assert_int_equal(package_read_manifest(&out, STR(""), NULL), ERR_FORMAT);
    assert_int_equal(package_read_manifest(&out, STR("{}"), NULL), ERR_FORMAT);
}

// A manifest of two blobs is fine, but no single file.
static void more_blobs_are_no_single_file(void **state)
{
    (void)state;
    package *p = make(1), *two;
    buf text;
    buf_init(&text, 1 << 20);
    char blobs[256];
    snprintf(blobs, sizeof blobs, "},\"tokenizer.json\":{\"sha256\":\"%064d\",\"size\":3}},", 7);
    const char *end = strstr(p->manifest, "}},");
    buf_add(&text, p->manifest, (size_t)(end - p->manifest));
    buf_add_text(&text, blobs);
    buf_add_text(&text, end + 3);
    err e = ERR_NONE;
    if (package_read_manifest(&two, buf_str(&text), &e) < 0) fail_msg("%s", e.msg);
    assert_int_equal(two->n_blobs, 2);
    assert_non_null(package_find_blob(two, "tokenizer.json"));
    assert_null(package_find_blob(two, "labels.txt"));
    str file;
    assert_int_equal(package_onnx(two, &file, &e), ERR_UNSUPPORTED);
    buf_clear(&text);
    package_free(two);
    package_free(p);
}

// A file that carries `text` as its manifest.
static void assert_file_refused(str text, int code, const char *says)
{
    graph *g = sample_graph(NULL);
    buf file;
    package *out = NULL;
    err e = ERR_NONE;
    buf_init(&file, 1 << 20);
    assert_int_equal(graph_add_metadata(g, PACKAGE_METADATA_KEY, text, NULL), 0);
    assert_int_equal(graph_check(g, NULL), 0);
    assert_int_equal(onnx_write(g, &file, NULL), 0);
    int rc = package_from_onnx(&out, buf_str(&file), &e);
    if (rc != code || !strstr(e.msg, says)) fail_msg("%.*s: %d %s", (int)text.len, text.data, rc, e.msg);
    assert_null(out);
    buf_clear(&file);
    graph_free(g);
}

static void bad_embedded_manifests_are_refused(void **state)
{
    (void)state;
    package *p = make(1);
    assert_file_refused(manifest_of(p), ERR_FORMAT, "unknown member \"blobs\"");
    assert_file_refused(STR("{\"format\":9,\"anything\":[]}"), ERR_UNSUPPORTED, "newer Slipway");
    assert_file_refused(STR("{}"), ERR_FORMAT, "format");
    assert_file_refused(STR("nonsense"), ERR_FORMAT, "manifest: JSON");
    char *embedded = strstr(p->manifest, "}},") + 2; // from the comma on
    char *blank = mem_strdup(embedded);
    blank[0] = ' ';
    buf text;
    buf_init(&text, 1 << 20);
    buf_add_text(&text, blank);
    text.data[0] = '{';
    char *name = strstr(text.data, "\"tensor\":\"age\"");
    memcpy(name, "\"tensor\":\"ago\"", 14);
    assert_file_refused(buf_str(&text), ERR_FORMAT, "\"ago\", which is no input");
    memcpy(name, "\"tensor\":\"age\"", 14);
    memmove(text.data + 1, text.data, text.len - 1);
    text.data[0] = ' ';
    assert_file_refused((str){text.data, text.len}, ERR_FORMAT, "");
    mem_free(blank);
    buf_clear(&text);
    package_free(p);
}

static void graphs_are_held_against_the_schema(void **state)
{
    (void)state;
    schema s = sample_schema();
    graph *g = sample_graph(NULL);
    s.target.n_classes = 2;
    package *out = NULL;
    err e = ERR_NONE;
    package_parts parts = {.recipe = "", .driver = "once", .schema = &s, .graph = g};
    assert_int_equal(package_make(&out, &parts, &e), ERR_FORMAT);
    assert_non_null(strstr(e.msg, "\"scores\" has 3 scores, the schema 2 classes"));
    s.target.n_classes = 3;
    s.n_inputs = 1;
    assert_int_equal(package_make(&out, &parts, &e), ERR_FORMAT);
    assert_non_null(strstr(e.msg, "asks for 2 columns, the schema has 1"));
    assert_null(out);
    graph_free(g);
}

static void junk_is_no_package(void **state)
{
    (void)state;
    package *out = NULL;
    err e = ERR_NONE;
    assert_true(package_from_onnx(&out, STR(""), &e) < 0);
    assert_true(package_from_onnx(&out, STR("\x08\x08 and then something else"), &e) < 0);
    package *p = make(1);
    str file = p->blobs[0].content;
    for (size_t len = 0; len < file.len; len += 37) assert_true(package_from_onnx(&out, (str){file.data, len}, &e) < 0);
    assert_null(out);
    package_free(p);
}

int main(void)
{
    json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_is_canonical),
        cmocka_unit_test(same_parts_give_the_same_package),
        cmocka_unit_test(single_file_is_the_same_package),
        cmocka_unit_test(manifest_and_blobs_are_the_same_package),
        cmocka_unit_test(other_blobs_are_refused),
        cmocka_unit_test(faults_in_manifests_are_refused),
        cmocka_unit_test(more_blobs_are_no_single_file),
        cmocka_unit_test(bad_embedded_manifests_are_refused),
        cmocka_unit_test(graphs_are_held_against_the_schema),
        cmocka_unit_test(junk_is_no_package),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
