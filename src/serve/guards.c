// Readings and verdicts.
// SPDX-License-Identifier: Apache-2.0
#include "serve/guards.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define SHARE_MIN 1e-4
#define LATENCY_FLOOR_NS 100e3 // two fast versions may differ as they like

void reading_take(reading *out, const served *v)
{
    *out = (reading){.failed = atomic_load_explicit(&v->counts->failed, memory_order_relaxed)};
    for (size_t i = 0; i < v->n_slots; i++) {
        const tally *t = &v->counts->slots[i];
        out->requests += counter_get(&t->requests);
        for (size_t k = 0; k < LATENCY_STEPS; k++) out->latency[k] += counter_get(&t->latency[k]);
        for (size_t k = 0; k < SCORE_BINS; k++) out->scores[k] += counter_get(&t->scores[k]);
    }
}

void reading_subtract(reading *from, const reading *before)
{
    from->requests -= before->requests;
    from->failed -= before->failed;
    for (size_t k = 0; k < LATENCY_STEPS; k++) from->latency[k] -= before->latency[k];
    for (size_t k = 0; k < SCORE_BINS; k++) from->scores[k] -= before->scores[k];
}

uint64_t reading_percentile_ns(const reading *r, double share)
{
    uint64_t n = 0, so_far = 0;
    for (size_t k = 0; k < LATENCY_STEPS; k++) n += r->latency[k];
    for (size_t k = 0; k < LATENCY_STEPS; k++) {
        so_far += r->latency[k];
        if (n > 0 && (double)so_far >= share * (double)n) return latency_step_end_ns(k);
    }
    return 0;
}

static uint64_t sum(const uint64_t *numbers, size_t n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) all += numbers[i];
    return all;
}

double psi_of(const uint64_t *actual, const uint64_t *expected, size_t n_bins)
{
    uint64_t n_actual = sum(actual, n_bins), n_expected = sum(expected, n_bins);
    if (n_actual == 0 || n_expected == 0) return NAN;
    double psi = 0;
    for (size_t i = 0; i < n_bins; i++) {
        double a = fmax((double)actual[i] / (double)n_actual, SHARE_MIN);
        double e = fmax((double)expected[i] / (double)n_expected, SHARE_MIN);
        psi += (a - e) * log(a / e);
    }
    return psi;
}

static double error_rate(const reading *r)
{
    uint64_t n = r->requests + r->failed;
    return n > 0 ? (double)r->failed / (double)n : 0;
}

verdict guards_judge(const guards *g, const reading *primary, const reading *canary)
{
    const reading *both[2] = {primary, canary};
    const uint64_t least = (uint64_t)g->requests_min;
    verdict v = {.enough = true, .psi = NAN};
    bool scored = true;
    for (int i = 0; i < 2; i++) {
        v.requests[i] = both[i]->requests + both[i]->failed;
        v.error_rate[i] = error_rate(both[i]);
        v.p95_ns[i] = (double)reading_percentile_ns(both[i], 0.95);
        v.enough = v.enough && v.requests[i] >= least;
        scored = scored && sum(both[i]->scores, SCORE_BINS) >= least;
    }
    if (scored) v.psi = psi_of(canary->scores, primary->scores, SCORE_BINS);
    if (!v.enough) return v;
    if (g->error_permille > 0 && v.error_rate[1] - v.error_rate[0] > (double)g->error_permille / 1000)
        v.broken = "error_rate";
    else if (g->latency_percent > 0 && v.p95_ns[0] > 0 && v.p95_ns[1] > LATENCY_FLOOR_NS &&
             v.p95_ns[1] > v.p95_ns[0] * (double)g->latency_percent / 100)
        v.broken = "latency";
    else if (g->psi_permille > 0 && v.psi > (double)g->psi_permille / 1000)
        v.broken = "scores";
    return v;
}

int verdict_format(const verdict *v, char *out, size_t size)
{
    char psi[32] = "null";
    if (isfinite(v->psi)) snprintf(psi, sizeof psi, "%.4f", v->psi);
    return snprintf(out, size,
                    "{\"broken\":\"%s\",\"requests\":[%" PRIu64 ",%" PRIu64
                    "],\"error_rate\":[%.6f,%.6f],\"p95_us\":[%.1f,%.1f],\"psi\":%s}",
                    v->broken ? v->broken : "", v->requests[0], v->requests[1], v->error_rate[0], v->error_rate[1],
                    v->p95_ns[0] / 1e3, v->p95_ns[1] / 1e3, psi);
}
