// Trace context: what is continued, and what starts a new trace.
// SPDX-License-Identifier: Apache-2.0
#include "serve/trace.h"

#include "check.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static const trace_sampling by_parent = {.parent_decides = true, .all = true};

static bool continues(const char *parent, bool *sampled)
{
    rng random = rng_new(1, 1);
    trace t;
    char hex[33] = "", span[17] = "";
    trace_begin(&t, str_of(parent), &by_parent, &random);
    trace_hex(t.trace_id, TRACE_ID_BYTES, hex);
    trace_hex(t.parent_id, SPAN_ID_BYTES, span);
    if (sampled) *sampled = t.sampled;
    bool same = strcmp(hex, TRACE) == 0 && strcmp(span, PARENT) == 0;
    bool fresh = strcmp(hex, TRACE) != 0 && strcmp(span, "0000000000000000") == 0;
    assert_true(same || fresh);
    return same;
}

static void valid_parents_are_continued(void **state)
{
    (void)state;
    bool sampled;
    assert_true(continues("00-" TRACE "-" PARENT "-01", &sampled));
    assert_true(sampled);
    assert_true(continues("00-" TRACE "-" PARENT "-00", &sampled));
    assert_false(sampled);
    assert_true(continues("00-" TRACE "-" PARENT "-03", &sampled)); // a flag to come
    assert_true(sampled);
    assert_true(continues("cc-" TRACE "-" PARENT "-01", NULL)); // a version to come
    assert_true(continues("cc-" TRACE "-" PARENT "-01-what-comes", NULL));
}

static void invalid_ones_start_a_trace(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "00-" TRACE "-" PARENT "-0",
        "00-" TRACE "-" PARENT "-01-more",
        "00-" TRACE "-" PARENT "-01 ",
        "ff-" TRACE "-" PARENT "-01",
        "cc-" TRACE "-" PARENT "-01.more",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-" PARENT "-01",
        "0x-" TRACE "-" PARENT "-01",
        "00_" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "-0g",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool sampled;
        if (continues(bad[i], &sampled)) fail_msg("\"%s\" was continued", bad[i]);
        assert_true(sampled); // as a root
    }
}

static void shares_of_traces_are_kept(void **state)
{
    (void)state;
    rng random = rng_new(check_seed(), 1);
    const trace_sampling quarter = {.below = UINT64_MAX / 4}, none = {0};
    int n = 0, n_all = 20000;
    for (int i = 0; i < n_all; i++) {
        trace t;
        trace_begin(&t, (str){0}, &quarter, &random);
        n += t.sampled;
        trace_begin(&t, (str){0}, &none, &random);
        assert_false(t.sampled);
    }
    assert_in_range(n, n_all / 4 - 400, n_all / 4 + 400); // more than six standard deviations
    // The same trace is sampled by everybody with that share, whatever its parent says.
    trace a, b;
    trace_begin(&a, STR("00-00000000000000010000000000000001-" PARENT "-00"), &quarter, &random);
    trace_begin(&b, STR("00-0000000000000001ffffffffffffffff-" PARENT "-01"), &quarter, &random);
    assert_true(a.sampled);
    assert_false(b.sampled);
    assert_memory_not_equal(a.span_id, b.span_id, SPAN_ID_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(valid_parents_are_continued),
                                       cmocka_unit_test(invalid_ones_start_a_trace),
                                       cmocka_unit_test(shares_of_traces_are_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
