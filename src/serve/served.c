// Opening a version: from the registry to its first answer.
// SPDX-License-Identifier: Apache-2.0
#include "serve/served.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/baseline.h"
#include "serve/access.h"
#include "serve/example.h"

enum { WARM_MEMORY_MAX = 256 << 20, WARM_BODY_MAX = 64 << 20 };

void served_drop(served *v)
{
    if (!v || atomic_fetch_sub(&v->n_owners, 1) > 1) return;
    decoder_free(v->decoder);
    encoder_free(v->encoder);
    running_close(v->running);
    drift_free(v->drift);
    openapi_part_clear(&v->api);
    model_drop(v->model);
    mem_free(v->counts);
    mem_free(v);
}

served_totals served_total(const served *v)
{
    served_totals all = {.failed = atomic_load_explicit(&v->counts->failed, memory_order_relaxed)};
    for (size_t i = 0; i < v->n_slots; i++) {
        const tally *t = &v->counts->slots[i];
        all.requests += counter_get(&t->requests);
        all.rows += counter_get(&t->rows);
        all.measured += counter_get(&t->measured);
        all.measured_ns += counter_get(&t->measured_ns);
        if (counter_get(&t->answered_ms) > all.answered_ms) all.answered_ms = counter_get(&t->answered_ms);
    }
    return all;
}

uint64_t served_requests(const served *v)
{
    uint64_t n = 0;
    for (size_t i = 0; i < v->n_slots; i++) n += counter_get(&v->counts->slots[i].requests);
    return n;
}

served *served_hold(served *v)
{
    if (v) atomic_fetch_add_explicit(&v->n_owners, 1, memory_order_relaxed);
    return v;
}

// The number that a row's answer is watched by, as 0 to 1: a value by its place in the range of the training rows.
static double watched_score(const schema_target *t, const float *scores, size_t n)
{
    double score = (double)baseline_score(t, scores, n);
    return t->task == TASK_REGRESSION ? 0.1 + 0.8 * (score - t->min) / (t->max - t->min) : score;
}

void served_observe(const served *v, size_t slot, const prediction *out)
{
    tally *t = &v->counts->slots[slot];
    const schema_target *target = &model_schema(v->model)->target;
    size_t stride = out->n_rows > SCORED_ROWS ? out->n_rows / SCORED_ROWS : 1;
    for (size_t row = 0, n = 0; row < out->n_rows && n < SCORED_ROWS; row += stride, n++) {
        double score = watched_score(target, out->scores + row * out->n_scores, out->n_scores);
        if (isnan(score)) continue;
        double bin = fmin(fmax(score * SCORE_BINS, 0), SCORE_BINS - 1);
        counter_add(&t->scores[(size_t)bin], 1);
    }
}

void served_failed(const served *v, int rc)
{
    if (rc == ERR_FORMAT || rc == ERR_CANCELLED || rc == ERR_BUSY || rc == ERR_NOT_FOUND || rc == ERR_DENIED) return;
    atomic_fetch_add_explicit(&v->counts->failed, 1, memory_order_relaxed);
}

static int answer_example(const served *v, str body, buf *answer, arena *memory, err *e)
{
    batch in;
    prediction out;
    body_form form;
    place at = {.row = -1};
    TRY(decode_predict(&in, &form, NULL, v->decoder, body, 1, &at, memory, e));
    TRY(running_predict(v->running, &in, &out, memory, e));
    encode_prediction(v->encoder, form, &out, answer);
    return buf_check(answer, e);
}

// The very way of a request, but for the sockets.
static int warm(const served *v, err *e)
{
    arena memory;
    buf body, answer;
    err fault = ERR_NONE;
    arena_init(&memory, WARM_MEMORY_MAX);
    buf_init(&body, WARM_BODY_MAX);
    buf_init(&answer, WARM_BODY_MAX);
    buf_add_text(&body, "{\"rows\":[");
    example_row(model_schema(v->model), &body);
    buf_add_text(&body, "]}");
    int rc = buf_check(&body, &fault);
    if (rc == 0) rc = answer_example(v, buf_str(&body), &answer, &memory, &fault);
    buf_clear(&answer);
    buf_clear(&body);
    arena_clear(&memory);
    if (rc == 0) return 0;
    if (model_package(v->model)->recipe[0] != '\0') return err_set(e, rc, "an example row: %s", fault.msg);
    log_event(LOG_WARN, "example not answered", "%s, version %" PRId64 ": %s", v->name, v->version, fault.msg);
    return 0;
}

// Whether one of the keys that are trusted has signed a package, if signatures are wanted.
static int check_signed(const served_from *from, const package *p, err *e)
{
    package_signature all[SIGNATURES_MAX];
    size_t n;
    if (!from->trusted) return 0;
    TRY(registry_signatures(from->registry, p->digest, all, &n, e));
    return signatures_trusted(all, n, p->digest, from->trusted, e);
}

static int watch_drift(served *v, int64_t window_ms, err *e)
{
    const package *p = model_package(v->model);
    return p->baseline ? drift_new(&v->drift, &p->schema, p->baseline, v->n_slots, window_ms, e) : 0;
}

int served_open(served **out, const served_from *from, const char *name, int64_t version, model_meter *meter, err *e)
{
    served *v = mem_zalloc(1, sizeof *v);
    if (!v) return err_set(e, ERR_MEMORY, "no memory for a version");
    package *p;
    char label[MODEL_NAME_MAX + 24];
    snprintf(label, sizeof label, "%s %" PRId64, name, version);
    atomic_init(&v->n_owners, 1);
    memcpy(v->name, name, strlen(name));
    v->version = version;
    v->meter = meter;
    v->n_slots = from->n_slots + 1;
    v->used_ns = clock_monotonic_ns();
    size_t size = sizeof *v->counts + v->n_slots * sizeof(tally);
    v->counts = mem_aligned(_Alignof(counts), 1, size);
    int rc = v->counts ? 0 : err_set(e, ERR_MEMORY, "no memory for counters");
    if (rc == 0) memset(v->counts, 0, size);
    if (rc == 0) rc = registry_load(from->registry, name, version, &p, e);
    if (rc == 0 && (rc = check_signed(from, p, e)) < 0) package_free(p);
    if (rc == 0) rc = running_open(&v->running, from->runtime, label, &v->model, p, &meter->batches, e);
    if (rc == 0) rc = decoder_new(&v->decoder, model_schema(v->model), e);
    if (rc == 0) rc = encoder_new(&v->encoder, model_schema(v->model), principal_name_of(name), version, e);
    if (rc == 0) rc = openapi_part_make(&v->api, principal_name_of(name), model_schema(v->model), e);
    if (rc == 0) rc = watch_drift(v, from->drift_window_ms, e);
    if (rc == 0) rc = warm(v, e);
    if (rc < 0) {
        served_drop(v);
        return rc;
    }
    v->memory = running_memory(v->running) + drift_memory(v->drift);
    *out = v;
    return 0;
}
