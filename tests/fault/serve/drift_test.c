// A baseline read, a version watched and its drift told while memory fails at the 1st, 2nd, ... moment.
// SPDX-License-Identifier: Apache-2.0
#include "serve/drift_report.h"

#include "fault/faults.h"
#include "serve/drift.h"

enum { WINDOW_MS = 60000, SLOTS = 2 };
static const int64_t now_ms = INT64_C(1000) * WINDOW_MS;

static int count(drift *d, const schema *s, err *e)
{
    static const float scores[] = {0.25F, 0.5F, 0.25F};
    static const int32_t labels[] = {1};
    const prediction out = {.n_rows = 1, .n_scores = 3, .scores = scores, .labels = labels};
    arena a;
    batch in;
    arena_init(&a, 1 << 20);
    int rc = batch_blank(&in, s, 1, &a, e);
    if (rc == 0) drift_count(d, 0, &in, &out, now_ms);
    arena_clear(&a);
    return rc;
}

static int tell(const served *v, err *e)
{
    json_t *j;
    TRY(drift_to_json(v, now_ms, &j, e));
    assert_int_equal(json_integer_value(json_object_get(j, "rows")), 1);
    assert_int_equal(json_array_size(json_object_get(j, "columns")), 2);
    json_decref(j);
    return 0;
}

static int work(void *context, err *e)
{
    const buf *manifest = context;
    served v = {.name = "m", .version = 1};
    package *p;
    bool light;
    TRY(package_read_manifest(&p, buf_str(manifest), e));
    TRY(model_open_light(&v.model, p, true, &light, e));
    const schema *s = model_schema(v.model);
    int rc = drift_new(&v.drift, s, model_package(v.model)->baseline, SLOTS, WINDOW_MS, e);
    if (rc == 0) rc = count(v.drift, s, e);
    if (rc == 0) rc = tell(&v, e);
    drift_free(v.drift);
    model_drop(v.model);
    return rc;
}

static void memory_fails(void **state)
{
    (void)state;
    buf manifest;
    err e = ERR_NONE;
    json_init();
    check_ok(file_read(TEST_SOURCE_DIR "/tests/fuzz/corpus/manifest/baseline.json", 1 << 20, &manifest, &e), &e);
    assert_true(faults_of_memory(work, NULL, &manifest, 0) > 50);
    assert_true(faults_of_memory(work, NULL, &manifest, 1) > 50);
    buf_clear(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
