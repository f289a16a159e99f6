// Two looks at metrics become rates and percentiles; metrics are read as they are written, and nothing else is.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "cmd/top_sample.h"

static scrape scrape_of(const char *text, arena *a)
{
    err e = ERR_NONE;
    scrape s;
    check_ok(scrape_read(&s, str_of(text), a, &e), &e);
    return s;
}

static void lines_become_metrics(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 1 << 20);
    scrape s = scrape_of(
        "# HELP x what\n# TYPE x gauge\nx 1.5\n\ny{a=\"1\",b=\"q\\\"\\\\\\n\"} +Inf\ny{a=\"2\",} -3e2\nz NaN", &a);
    assert_int_equal(s.n, 4);
    assert_true(s.metrics[0].value == 1.5 && s.metrics[0].n_labels == 0);
    assert_true(isinf(s.metrics[1].value));
    assert_true(str_equal(metric_label_of(&s.metrics[1], "b"), STR("q\"\\\n")));
    assert_int_equal(metric_label_of(&s.metrics[1], "c").len, 0);
    assert_true(scrape_sum(&s, "y", "a", STR("2")) == -300);
    assert_true(isinf(scrape_sum(&s, "y", NULL, (str){0})));
    assert_true(isnan(s.metrics[3].value));
    assert_true(isnan(scrape_sum(&s, "none", NULL, (str){0})));
    arena_clear(&a);
}

static void other_lines_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "x",          "x ",
        "x y",        "{a=\"1\"} 1",
        "x{a=\"1} 1", "x{a=\"1\" 1",
        "x{a=1} 1",   "x{=\"1\"} 1",
        "x{a=\"\\",   "x 1 1700000",
        "<html>",     "x{a=\"1\"b=\"2\"} 1",
        " x 1",       "x{a=\"\",b=\"\",c=\"\",d=\"\",e=\"\",f=\"\",g=\"\",h=\"\",i=\"\"} 1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        arena a;
        err e = ERR_NONE;
        scrape s;
        char text[256];
        snprintf(text, sizeof text, "fine 1\n%s\n", lines[i]);
        arena_init(&a, 1 << 20);
        check_fails(scrape_read(&s, str_of(text), &a, &e), ERR_FORMAT, &e);
        assert_int_equal(e.at, 2);
        arena_clear(&a);
    }
}

static void percentiles_lie_between_ends(void **state)
{
    (void)state;
    const double le[] = {1, 2, 4, INFINITY}, counts[] = {10, 0, 10, 0}, late[] = {0, 0, 0, 5}, none[] = {0, 0, 0, 0};
    assert_true(top_percentile(le, counts, 4, 0.5) == 1);
    assert_true(top_percentile(le, counts, 4, 0.25) == 0.5);
    assert_true(top_percentile(le, counts, 4, 0.75) == 3);
    assert_true(top_percentile(le, counts, 4, 1) == 4);
    assert_true(top_percentile(le, late, 4, 0.5) == 4); // no end is known
    assert_true(isnan(top_percentile(le, none, 4, 0.5)));
}

static const char before_text[] = "slipway_requests_total{route=\"predict\",status=\"200\"} 100\n"
                                  "slipway_requests_total{route=\"metrics\",status=\"200\"} 5\n"
                                  "slipway_request_seconds_bucket{route=\"predict\",le=\"0.001\"} 100\n"
                                  "slipway_request_seconds_bucket{route=\"predict\",le=\"0.002\"} 100\n"
                                  "slipway_request_seconds_bucket{route=\"predict\",le=\"+Inf\"} 100\n"
                                  "process_cpu_seconds_total 1\n"
                                  "slipway_drift_watched{model=\"m\",version=\"1\"} 1\n"
                                  "slipway_version_requests_total{model=\"m\",version=\"1\"} 100\n";
static const char after_text[] = "slipway_requests_total{route=\"predict\",status=\"200\"} 120\n"
                                 "slipway_requests_total{route=\"predict\",status=\"422\"} 6\n"
                                 "slipway_requests_total{route=\"predict\",status=\"503\"} 2\n"
                                 "slipway_requests_total{route=\"metrics\",status=\"200\"} 6\n"
                                 "slipway_request_seconds_bucket{route=\"predict\",le=\"0.001\"} 120\n"
                                 "slipway_request_seconds_bucket{route=\"predict\",le=\"0.002\"} 128\n"
                                 "slipway_request_seconds_bucket{route=\"predict\",le=\"+Inf\"} 128\n"
                                 "process_cpu_seconds_total 2\n"
                                 "slipway_model_version{model=\"m\"} 2\n"
                                 "slipway_drift_watched{model=\"m\",version=\"1\"} 1\n"
                                 "slipway_drift_watched{model=\"m\",version=\"2\"} 0\n"
                                 "slipway_version_requests_total{model=\"m\",version=\"1\"} 8\n" // it was loaded anew
                                 "slipway_version_requests_total{model=\"m\",version=\"2\"} 20\n"
                                 "slipway_version_seconds_bucket{model=\"m\",version=\"2\",le=\"0.001\"} 2\n"
                                 "slipway_version_seconds_bucket{model=\"m\",version=\"2\",le=\"+Inf\"} 2\n"
                                 "slipway_canary_weight_ratio{model=\"m\",version=\"1\"} 0.25\n"
                                 "slipway_batch_queue_requests{model=\"m\"} 3\n"
                                 "slipway_drift_psi{model=\"m\",version=\"1\",column=\"a\"} 0.1\n"
                                 "slipway_drift_psi{model=\"m\",version=\"1\",column=\"b\"} 0.3\n"
                                 "slipway_drift_score_psi{model=\"m\",version=\"1\"} 0.2\n";

static void counters_become_rates(void **state)
{
    (void)state;
    arena a;
    err e = ERR_NONE;
    top_sample t;
    arena_init(&a, 1 << 20);
    scrape before = scrape_of(before_text, &a), after = scrape_of(after_text, &a);
    check_ok(top_sample_take(&t, &before, &after, 2, &a, &e), &e);
    assert_true(t.requests == 14 && t.client_errors == 3 && t.server_errors == 1);
    assert_true(t.cpu == 0.5 && t.queued == 3);
    assert_true(t.p50_s == 0.0007); // 14 of 20 below a millisecond
    assert_true(t.p99_s > 0.0019 && t.p99_s <= 0.002);
    assert_int_equal(t.n, 2);
    const top_version *second = &t.versions[0], *first = &t.versions[1]; // by requests
    assert_true(first->version == 1 && second->version == 2);
    assert_true(first->requests == 4 && second->requests == 10);
    assert_true(!first->serving && second->serving);
    assert_true(isnan(first->queued) && second->queued == 3);
    assert_true(first->drift == 0.3 && str_equal(first->column, STR("b")) && !first->unwatched);
    assert_true(isnan(second->drift) && second->unwatched);
    assert_true(second->p50_s == 0.0005);
    assert_true(first->canary == 0.25 && isnan(second->canary));
    assert_true(isnan(first->p50_s) && isnan(first->memory));
    json_t *j = NULL;
    check_ok(top_sample_to_json(&t, &j, &e), &e);
    assert_int_equal(json_array_size(json_object_get(j, "versions")), 2);
    json_decref(j);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_metrics),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(percentiles_lie_between_ends),
        cmocka_unit_test(counters_become_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
