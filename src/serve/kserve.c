// Rows in, one prediction a row out.
// SPDX-License-Identifier: Apache-2.0
#include "serve/kserve.h"

#include <math.h>

#include "base/decimal.h"
#include "serve/decode_impl.h"
#include "serve/inference.h"
#include "serve/models.h"
#include "serve/v2.h"

#define JSON_TYPE "application/json"
#define WANTED "{\"instances\": [...]} or {\"inputs\": ...}"

static int read_signature(row_reader *r, kserve_signature *out)
{
    str name;
    if (r->in.at == r->in.end || *r->in.at != '"') {
        TRY(scan_other(&r->in));
        return read_wrong_shape(r, "\"signature_name\" is no text", WANTED);
    }
    TRY(scan_text(&r->in, &name));
    if (str_equal(name, STR("predict_proba"))) {
        if (r->out->schema->target.task != TASK_CLASSIFICATION)
            return read_wrong_shape(r, "the model has no classes, so no signature \"predict_proba\"", WANTED);
        *out = KSERVE_PREDICT_PROBA;
        return 0;
    }
    if (str_equal(name, STR("predict")) || str_equal(name, STR("serving_default"))) return 0;
    return read_wrong_shape(r, "\"signature_name\" is neither \"predict\" nor \"predict_proba\"", WANTED);
}

static int read_member(row_reader *r, str name, kserve_signature *signature, body_form *form, size_t *n_rows,
                       bool *came)
{
    bool instances = str_equal(name, STR("instances"));
    if (str_equal(name, STR("signature_name"))) return read_signature(r, signature);
    if (!instances && !str_equal(name, STR("inputs"))) return scan_skip(&r->in);
    if (*came) return read_wrong_shape(r, "rows come twice", WANTED);
    *came = true;
    if (instances) return read_rows(r, "/instances", n_rows);
    if (r->in.at == r->in.end || *r->in.at != '{') return read_rows(r, "/inputs", n_rows);
    *form = BODY_COLUMNS;
    return read_columns(r, "/inputs", n_rows);
}

int kserve_decode(batch *out, kserve_signature *signature, const decoder *d, str body, size_t rows_max, place *at,
                  arena *a, err *e)
{
    batch b;
    row_reader r;
    kserve_signature wanted = KSERVE_PREDICT;
    body_form form = BODY_ROWS;
    size_t n = 0, n_rows = 0;
    bool came = false;
    str name;
    int more;
    TRY(row_reader_init(&r, &b, d, body, rows_max, at, a, e));
    r.arrays = true;
    scan_blanks(&r.in);
    if (r.in.at == r.in.end) return scan_not_json(&r.in, "it is empty");
    if (!scan_take(&r.in, '{')) {
        TRY(scan_other(&r.in));
        return read_wrong_shape(&r, "this is no object", WANTED);
    }
    while ((more = scan_member(&r.in, &n, &name)) > 0) TRY(read_member(&r, name, &wanted, &form, &n_rows, &came));
    TRY(more);
    if (!came) return read_wrong_shape(&r, "there are no rows", WANTED);
    TRY(read_done(&r, form, n_rows));
    *out = b;
    *signature = wanted;
    return 0;
}

// Answers.

typedef struct predict_call {
    inference inference; // its context is this
    kserve_signature signature;
} predict_call;

static void put_score(float score, buf *out)
{
    char text[DECIMAL_TEXT_SIZE];
    if (isfinite(score))
        buf_add(out, text, decimal_format_f32(score, text));
    else
        buf_add_text(out, "null");
}

static int finish_predict(const request *q, response *r, const inference *i, err *e)
{
    (void)q, (void)e;
    const predict_call *call = i->context;
    const prediction *p = &i->out;
    buf_add_text(r->body, "{\"predictions\":[");
    for (size_t row = 0; row < p->n_rows; row++) {
        if (row > 0) buf_add_char(r->body, ',');
        if (call->signature == KSERVE_PREDICT_PROBA) {
            for (size_t k = 0; k < p->n_scores; k++) {
                buf_add_char(r->body, k > 0 ? ',' : '[');
                put_score(p->scores[row * p->n_scores + k], r->body);
            }
            buf_add_char(r->body, ']');
        } else if (p->labels) {
            buf_add_str(r->body, encoder_label(i->version->encoder, (size_t)p->labels[row]));
        } else {
            put_score(p->scores[row], r->body);
        }
    }
    buf_add_text(r->body, "]}\n");
    return 0;
}

static int predict(serving *s, const request *q, response *r, err *e)
{
    const served *v;
    TRY(models_pick(s, q, q->parameters[0], (str){0}, &v, r, e));
    int rc = inference_begin(s, q, v, r, e);
    if (rc != 0) return rc;
    predict_call *call = arena_alloc(q->memory, 1, sizeof *call);
    if (!call) return err_set(e, ERR_MEMORY, "no memory for a request");
    call->inference = (inference){.version = v, .finish = finish_predict, .context = call};
    TRY(kserve_decode(&call->inference.in, &call->signature, v->decoder, q->body, s->options->rows_max, &r->at,
                      q->memory, e));
    return inference_run(s, q, r, &call->inference, e);
}

static int explain(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    r->status = 400;
    r->at.code = "unsupported";
    return err_set(e, ERR_UNSUPPORTED, "models of this server have no explainer: \":predict\" answers");
}

static const route routes[] = {
    {HTTP_POST, "/v1/models/{}:predict", "kservePredict", "Predict rows, or columns", JSON_TYPE, JSON_TYPE, predict,
     MAY_PREDICT, ROUTE_ASKS_FIRST},
    {HTTP_POST, "/v1/models/{}:explain", "kserveExplain", "Refused: there is no explainer", JSON_TYPE, JSON_TYPE,
     explain, MAY_PREDICT, 0},
};

static const route_api api[] = {
    {.route = "kservePredict",
     .body = API_JSON(API_REF("kserve_request")),
     .answers = API_ANSWER("200", "One prediction a row", API_JSON(API_REF("kserve_answer")))},
    {.route = "kserveExplain",
     .body = API_JSON(API_REF("kserve_request")),
     .answers = API_ANSWER("400", "There is no explainer", API_JSON(API_REF("kserve_error")))},
};

static const char schemas[] =
    "'kserve_error':{'type':'object','required':['error'],'properties':{'error':{'type':'string'}}},"
    "'kserve_request':{'type':'object','properties':{'instances':{'type':'array','minItems':1,'items':{"
    "'type':['object','array']}},'inputs':{'type':['array','object']},'signature_name':{'enum':['predict',"
    "'serving_default','predict_proba']}}},"
    "'kserve_answer':{'type':'object','required':['predictions'],'properties':{'predictions':{'type':'array'}}}";

const protocol_row kserve_protocol = {
    .name = "kserve",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = v2_fail,
    .about = "KServe's first protocol, for predictions",
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
    .fault = API_JSON(API_REF("kserve_error")),
};
