// Windows, guards and decisions.
// SPDX-License-Identifier: Apache-2.0
#include "serve/rollout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/guards.h"

enum { DETAIL_MAX = 400 };
#define LOOK_NS UINT64_C(250000000)

struct trial {
    struct trial *next;
    int64_t id;                // of the deployment
    const served *versions[2]; // whose counts these are: only compared
    reading before[2];         // of primary and canary, when the window began
    uint64_t since_ns;
    bool seen;
};

static trial *find_trial(rollouts *w, int64_t id)
{
    for (trial *t = w->first; t; t = t->next)
        if (t->id == id) return t;
    trial *t = mem_zalloc(1, sizeof *t);
    if (!t) return NULL; // the next look will try again
    t->id = id;
    t->next = w->first;
    return w->first = t;
}

static void begin_window(trial *t, const snapshot_model *m, uint64_t now_ns)
{
    t->versions[0] = m->now;
    t->versions[1] = m->canary;
    reading_take(&t->before[0], m->now);
    reading_take(&t->before[1], m->canary);
    t->since_ns = now_ns;
}

static void count_taken_back(const snapshot_model *m, const char *reason)
{
    for (size_t k = 0; m->now && k < TAKEN_BACK_N; k++)
        if (strcmp(taken_back_name(k), reason) == 0) counter_add(&m->now->meter->taken_back[k], 1);
}

static void take_back(registry *r, const snapshot_model *m, const char *reason, const char *detail)
{
    err e = ERR_NONE;
    int rc = registry_deployment_end(r, m->name, m->deployment.id, DEPLOYMENT_ROLLED_BACK, detail, NULL, &e);
    if (rc == 0) {
        count_taken_back(m, reason);
        log_event(LOG_WARN, "canary taken back", "%s, version %" PRId64 ": %s", m->name, m->deployment.canary, detail);
    } else if (rc != ERR_CONFLICT && rc != ERR_NOT_FOUND) { // else somebody was faster: all is well
        log_event(LOG_ERROR, "canary not taken back", "%s: %s", m->name, e.msg);
    }
}

static void judge(trial *t, registry *r, const snapshot_model *m, uint64_t now_ns)
{
    if (t->versions[0] != m->now || t->versions[1] != m->canary) {
        begin_window(t, m, now_ns);
        return;
    }
    reading now[2];
    reading_take(&now[0], m->now);
    reading_take(&now[1], m->canary);
    for (int i = 0; i < 2; i++) reading_subtract(&now[i], &t->before[i]);
    verdict v = guards_judge(&m->deployment.guards, &now[0], &now[1]);
    if (v.broken) {
        char detail[DETAIL_MAX];
        verdict_format(&v, detail, sizeof detail);
        take_back(r, m, v.broken, detail);
    } else if (v.enough && now_ns - t->since_ns >= (uint64_t)m->deployment.guards.window_s * UINT64_C(1000000000)) {
        begin_window(t, m, now_ns);
    }
}

// A canary that will not come: it is broken, not only held up.
static void look_at_fault(registry *r, const snapshot_model *m)
{
    const snapshot_version *v = snapshot_version_find(m, m->deployment.canary);
    if (!v || !v->fault || v->code == ERR_MEMORY || v->code == ERR_IO || v->code == ERR_BUSY) return;
    buf detail;
    buf_init(&detail, 1 << 12);
    buf_add_text(&detail, "{\"broken\":\"load\",\"fault\":");
    json_quote(&detail, str_of(v->fault));
    buf_add_text(&detail, "}");
    buf_add_char(&detail, '\0');
    if (!detail.failed) take_back(r, m, "load", detail.data);
    buf_clear(&detail);
}

void rollouts_watch(rollouts *w, registry *r, const snapshot *s, uint64_t now_ns)
{
    if (now_ns - w->looked_ns < LOOK_NS) return;
    w->looked_ns = now_ns;
    for (size_t i = 0; i < s->n; i++) {
        const snapshot_model *m = &s->models[i];
        if (m->deployment.id == 0) continue;
        if (!m->canary) look_at_fault(r, m);
        trial *t = m->canary && m->now ? find_trial(w, m->deployment.id) : NULL;
        if (!t) continue;
        t->seen = true;
        judge(t, r, m, now_ns);
    }
    for (trial **at = &w->first, *t; (t = *at);) {
        bool seen = t->seen;
        t->seen = false;
        if (seen) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        mem_free(t);
    }
}

void rollouts_clear(rollouts *w)
{
    for (trial *t = w->first, *next; t; t = next) {
        next = t->next;
        mem_free(t);
    }
    w->first = NULL;
}
