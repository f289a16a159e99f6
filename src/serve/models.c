// Looking models up for a caller.
// SPDX-License-Identifier: Apache-2.0
#include "serve/models.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "serve/access.h"

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

static bool is_version(const served *v, str version)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, v->version);
    return str_equal(version, str_of(text)) || str_equal(version, STR(ALIAS_DEFAULT));
}

int models_pick(const serving *s, const request *q, str name, str version, const served **out, response *r, err *e)
{
    const snapshot_model *m;
    TRY(models_find(s, q, name, &m, r, e));
    const char *known = principal_name_of(m->name);
    if (!m->now) {
        r->status = m->wanted ? 503 : 404;
        r->at.code = m->wanted ? "model_broken" : "not_deployed";
        if (!m->wanted) return err_set(e, ERR_NOT_FOUND, "no version of \"%s\" is deployed", known);
        return err_set(e, ERR_NOT_FOUND, "version %" PRId64 " of \"%s\" could not be loaded", m->wanted, known);
    }
    if (version.len > 0 && !is_version(m->now, version)) {
        r->status = 404;
        r->at.code = "unknown_version";
        return err_set(e, ERR_NOT_FOUND, "version \"%.*s\" of \"%s\" is not loaded",
                       (int)(version.len < MODEL_NAME_MAX ? version.len : MODEL_NAME_MAX), version.data, known);
    }
    *out = m->now;
    return 0;
}

size_t models_unready(const serving *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->models->n; i++) {
        const snapshot_model *m = &s->models->models[i];
        n += m->wanted > 0 && (!m->now || !running_ready(m->now->running));
    }
    return n;
}
