// Counters of several loops, added up and written for Prometheus.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/meters.h"

static meters loops[2];
static _Alignas(64) char room[sizeof(model_meter) + 2 * sizeof(model_meter_slot)];

static void assert_says(const buf *text, const char *line)
{
    if (!strstr(text->data, line)) fail_msg("no \"%s\" in\n%s", line, text->data);
}

static void loops_are_added_up(void **state)
{
    (void)state;
    size_t predict = route_find(STR("/api/v1/models/a/predict"), HTTP_POST).index;
    meters_count(&loops[0], predict, 200, 20000);
    meters_count(&loops[1], predict, 200, 25000); // on the bound of the first bucket
    meters_count(&loops[1], predict, 422, 25001);
    meters_count(&loops[1], predict, 299, UINT64_C(9000000000)); // a status nobody sends, and past all bounds
    meters_count(&loops[0], route_count(), 404, 1);
    counter_add(&loops[0].requests_started, 7);
    counter_add(&loops[1].requests_ended, 5);
    counter_add(&loops[0].accepted, 3);
    model_meter *m = (model_meter *)room;
    m->name[0] = 'a';
    m->n_slots = 2;
    counter_add(&m->slots[0].rows, 10);
    counter_add(&m->slots[1].rows, 5);
    counter_add(&m->slots[1].requests, 2);
    const meters *all[] = {&loops[0], &loops[1]};
    buf text;
    buf_init(&text, 1 << 20);
    meters_write(all, 2, m, &text);
    buf_add_char(&text, '\0');
    assert_int_equal(text.failed, 0);
    assert_says(&text, "slipway_requests_total{route=\"predict\",status=\"200\"} 2\n");
    assert_says(&text, "slipway_requests_total{route=\"predict\",status=\"422\"} 1\n");
    assert_says(&text, "slipway_requests_total{route=\"predict\",status=\"0\"} 1\n");
    assert_says(&text, "slipway_requests_total{route=\"none\",status=\"404\"} 1\n");
    assert_says(&text, "slipway_request_seconds_bucket{route=\"predict\",le=\"2.5e-05\"} 2\n");
    assert_says(&text, "slipway_request_seconds_bucket{route=\"predict\",le=\"5e-05\"} 3\n");
    assert_says(&text, "slipway_request_seconds_bucket{route=\"predict\",le=\"5\"} 3\n");
    assert_says(&text, "slipway_request_seconds_bucket{route=\"predict\",le=\"+Inf\"} 4\n");
    assert_says(&text, "slipway_request_seconds_sum{route=\"predict\"} 9.000070001\n");
    assert_says(&text, "slipway_requests_in_flight 2\n");
    assert_says(&text, "slipway_connections 3\n");
    assert_says(&text, "slipway_predicted_rows_total{model=\"a\"} 15\n");
    assert_says(&text, "slipway_predictions_total{model=\"a\"} 2\n");
    assert_says(&text, "process_resident_memory_bytes ");
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loops_are_added_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
