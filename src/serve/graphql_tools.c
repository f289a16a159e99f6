// Small things that each resolver would otherwise write again.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>

#include "base/decimal.h"
#include "serve/graphql_impl.h"

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for an answer");
}

graphql_held *graphql_hold(graphql_context *g)
{
    graphql_held *h = arena_zalloc(g->request->memory, 1, sizeof *h);
    if (!h) return NULL;
    h->next = g->held;
    return g->held = h;
}

void graphql_let_go(graphql_context *g)
{
    for (graphql_held *h = g->held; h; h = h->next) {
        registry_model_clear(&h->record);
        package_free(h->package);
        run_record_clear(&h->run);
        run_list_clear(&h->runs);
        dataset_record_clear(&h->dataset);
        dataset_list_clear(&h->datasets);
    }
    g->held = NULL;
}

int graphql_may(gql_call *c, unsigned needed, err *e)
{
    const graphql_context *g = graphql_of(c);
    const request *q = g->request;
    bool apart = q->peer && q->peer->entrance == ENTRANCE_PUBLIC && g->serving->options->admin_listen[0] != '\0';
    if (apart) needed &= MAY_PREDICT | MAY_READ;
    if (q->who->may & needed) return 0;
    c->code = "forbidden";
    if (needed == 0) return err_set(e, ERR_DENIED, "this is asked for at the administrators' entrance");
    return err_set(e, ERR_DENIED, "this key may not do that");
}

response graphql_response(void)
{
    return (response){.status = 200, .at = {.row = -1}};
}

int graphql_fail(gql_call *c, const response *told, int rc)
{
    const place *at = &told->at;
    char text[1024];
    buf b;
    if (rc >= 0) return rc;
    if (at->code) c->code = at->code;
    buf_init(&b, sizeof text);
    if (at->row >= 0) buf_format(&b, "\"row\":%lld", (long long)at->row);
    if (at->column.len > 0) {
        buf_add_text(&b, b.len > 0 ? ",\"column\":" : "\"column\":");
        json_quote(&b, at->column);
    }
    if (at->pointer.len > 0) {
        buf_add_text(&b, b.len > 0 ? ",\"pointer\":" : "\"pointer\":");
        json_quote(&b, at->pointer);
    }
    char *kept = b.failed || b.len == 0 ? NULL : arena_strndup(c->memory, b.data, b.len);
    if (kept) c->extensions = (str){kept, b.len};
    buf_clear(&b);
    return rc;
}

gql_result gql_of_real(double real)
{
    if (!isfinite(real)) return (gql_result){.kind = GQL_RESULT_NULL};
    return (gql_result){.kind = GQL_RESULT_REAL, .real = real};
}

gql_result *gql_list_of(gql_call *c, size_t n, gql_result *out)
{
    gql_result *items = arena_zalloc(c->memory, n, sizeof *items);
    *out = (gql_result){.kind = GQL_RESULT_LIST, .n = n, .items = items};
    return items;
}

int gql_json_result(gql_call *c, const json_t *j, gql_result *out, err *e)
{
    buf b;
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!j) return 0;
    buf_init(&b, MANIFEST_BYTES_MAX);
    int rc = json_format(j, false, &b, e);
    char *text = rc == 0 ? arena_strndup(c->memory, b.data, b.len) : NULL;
    if (rc == 0 && !text) rc = no_memory(e);
    if (rc == 0) *out = (gql_result){.kind = GQL_RESULT_JSON, .text = {text, b.len}};
    buf_clear(&b);
    return rc;
}

int gql_float_result(gql_call *c, float value, gql_result *out, err *e)
{
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!isfinite(value)) return 0;
    char text[DECIMAL_TEXT_SIZE], *kept;
    size_t len = decimal_format_f32(value, text);
    if (!(kept = arena_strndup(c->memory, text, len))) return no_memory(e);
    *out = (gql_result){.kind = GQL_RESULT_JSON, .text = {kept, len}};
    return 0;
}

int gql_text_argument(gql_call *c, const gql_value *v, size_t len_max, const char **out, err *e)
{
    if (v->text.len > len_max || (v->text.len > 0 && memchr(v->text.data, '\0', v->text.len))) {
        c->code = "invalid_name";
        return err_set(e, ERR_INPUT, "a name of at most %zu characters is wanted", len_max);
    }
    char *text = arena_strndup(c->memory, v->text.data ? v->text.data : "", v->text.len);
    if (!text) return no_memory(e);
    *out = text;
    return 0;
}
