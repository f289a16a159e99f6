// Looking models up for a caller.
// SPDX-License-Identifier: Apache-2.0
#include "serve/models.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "serve/access.h"
#include "serve/rollout.h"

enum { SUGGESTIONS_MAX = 64 };

const snapshot_model *models_next(const serving *s, const request *q, size_t *at)
{
    while (*at < s->models->n) {
        const snapshot_model *m = &s->models->models[(*at)++];
        if (principal_sees(q->who, m->name)) return m;
    }
    return NULL;
}

static int not_found(const serving *s, const request *q, str name, response *r, err *e)
{
    const char *names[SUGGESTIONS_MAX];
    size_t n = 0, at = 0;
    r->at.code = "unknown_model";
    if (name.len > MODEL_NAME_MAX) return err_set(e, ERR_NOT_FOUND, "there is no model with a name that long");
    for (const snapshot_model *m; n < SUGGESTIONS_MAX && (m = models_next(s, q, &at));)
        names[n++] = principal_name_of(m->name);
    char text[MODEL_NAME_MAX + 1];
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    const char *near = nearest_name(text, names, n);
    if (near) return err_set(e, ERR_NOT_FOUND, "there is no model \"%s\"; did you mean \"%s\"?", text, near);
    return err_set(e, ERR_NOT_FOUND, "there is no model \"%s\"", text);
}

int models_find(const serving *s, const request *q, str name, const snapshot_model **out, response *r, err *e)
{
    char text[TENANT_MAX + 1 + MODEL_NAME_MAX + 1];
    str whole = name;
    if (q->who->tenant[0] && name.len <= MODEL_NAME_MAX) {
        int len = snprintf(text, sizeof text, "%s/%.*s", q->who->tenant, (int)name.len, name.data);
        whole = (str){text, (size_t)len};
    }
    const snapshot_model *m = snapshot_find(s->models, whole);
    if (!m || !principal_sees(q->who, m->name)) return not_found(s, q, name, r, e);
    *out = m;
    return 0;
}

static int no_version(const snapshot_model *m, str version, response *r, err *e)
{
    const char *known = principal_name_of(m->name);
    int64_t number = snapshot_version_of(m, version);
    const snapshot_version *v = number > 0 ? snapshot_version_find(m, number) : NULL;
    r->status = 404;
    r->at.code = "unknown_version";
    if (v && v->fault) {
        r->status = 503;
        r->at.code = v->evicted ? "not_loaded" : "model_broken";
        return err_set(e, ERR_NOT_FOUND, "version %" PRId64 " of \"%s\" is not loaded: %s", number, known, v->fault);
    }
    return err_set(e, ERR_NOT_FOUND, "version \"%.*s\" of \"%s\" is not loaded",
                   (int)(version.len < MODEL_NAME_MAX ? version.len : MODEL_NAME_MAX), version.data, known);
}

static int not_served(const snapshot_model *m, response *r, err *e)
{
    const char *known = principal_name_of(m->name);
    r->status = m->unloaded || m->wanted ? 503 : 404;
    r->at.code = m->unloaded ? "not_loaded" : m->wanted ? "model_broken" : "not_deployed";
    if (m->unloaded) return err_set(e, ERR_NOT_FOUND, "\"%s\" was unloaded", known);
    if (!m->wanted) return err_set(e, ERR_NOT_FOUND, "no version of \"%s\" is deployed", known);
    return err_set(e, ERR_NOT_FOUND, "version %" PRId64 " of \"%s\" could not be loaded", m->wanted, known);
}

int models_pick(const serving *s, const request *q, str name, str version, const served **out, response *r, err *e)
{
    const snapshot_model *m;
    TRY(models_find(s, q, name, &m, r, e));
    r->shadow = NULL;
    if (version.len == 0 || str_equal(version, STR(ALIAS_DEFAULT))) {
        if (!m->now) return not_served(m, r, e);
        bool canary =
            version.len == 0 && m->canary && rollout_takes_canary(m, request_field(q, FIELD_ROUTING_KEY), q->lot);
        r->picked = *out = canary ? m->canary : m->now;
        if (m->shadow && !canary && shadow_takes(m->shadowing.share, (uint64_t)m->shadowing.id, q->lot))
            r->shadow = m->shadow;
        return 0;
    }
    const snapshot_version *v = snapshot_version_find(m, snapshot_version_of(m, version));
    if (!v || !v->served) return no_version(m, version, r, e);
    r->picked = *out = v->served;
    return 0;
}

size_t models_unready(const serving *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->models->n; i++) {
        const snapshot_model *m = &s->models->models[i];
        n += m->wanted > 0 && !m->unloaded && (!m->now || !running_ready(m->now->running));
    }
    return n;
}
