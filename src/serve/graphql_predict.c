// Predictions. Rows are JSON, because every model has columns of its own and a schema of this service that changed with
// them would be another one for every caller, and after every deployment; column names need not be names in GraphQL
// either. What a model wants is in Model.inputs. Answers are typed.
// SPDX-License-Identifier: Apache-2.0
#include "serve/access.h"
#include "serve/graphql_impl.h"
#include "serve/inference.h"
#include "serve/models.h"

typedef struct predictions {
    inference inference;
    gql_result *labels; // (n_classes) of JSON
} predictions;

typedef struct predicted_row {
    const predictions *all;
    size_t row;
} predicted_row;

typedef struct class_probability {
    const predictions *all;
    size_t row, class;
} class_probability;

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "the request wants more memory than one may have");
}

// {"rows": [...]}: what the native protocol takes, and so the same decoder.
static int body_of(gql_call *c, const gql_value *rows, str *out, err *e)
{
    buf b;
    buf_init(&b, graphql_of(c)->serving->options->body_max);
    buf_add_text(&b, "{\"rows\":");
    gql_json_format(rows, &b);
    buf_add_char(&b, '}');
    int rc = buf_check(&b, e);
    char *text = rc == 0 ? arena_strndup(c->memory, b.data, b.len) : NULL;
    if (rc == 0 && !text) rc = no_memory(e);
    *out = (str){text, b.len};
    buf_clear(&b);
    return rc;
}

static int label_texts(gql_call *c, predictions *p, err *e)
{
    const schema_target *t = &model_schema(p->inference.version->model)->target;
    p->labels = arena_zalloc(c->memory, t->n_classes, sizeof *p->labels);
    if (!p->labels) return no_memory(e);
    for (size_t i = 0; i < t->n_classes; i++) {
        buf b;
        buf_init(&b, 1 << 20);
        encode_label(t->type, t->classes[i], &b);
        char *text = b.failed ? NULL : arena_strndup(c->memory, b.data, b.len);
        if (text) p->labels[i] = (gql_result){.kind = GQL_RESULT_JSON, .text = {text, b.len}};
        buf_clear(&b);
        if (!text) return no_memory(e);
    }
    return 0;
}

static int predict(gql_call *c, predictions *p, const gql_value *const *arguments, response *told, err *e)
{
    graphql_context *g = graphql_of(c);
    inference *i = &p->inference;
    body_form form;
    str body, version = {0};
    if (arguments[1] && arguments[1]->kind != GQL_NULL) version = arguments[1]->text;
    TRY(models_pick(g->serving, g->request, arguments[0]->text, version, &i->version, told, e));
    TRY(inference_begin(g->serving, g->request, i->version, told, e));
    TRY(body_of(c, arguments[2], &body, e));
    TRY(decode_predict(&i->in, &form, NULL, i->version->decoder, body, g->serving->options->rows_max, &told->at,
                       c->memory, e));
    TRY(inference_predict(g->serving, g->request, told, i, e));
    return i->out.labels ? label_texts(c, p, e) : 0;
}

int graphql_predict(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    response told = graphql_response();
    predictions *p = arena_zalloc(c->memory, 1, sizeof *p);
    if (!p) return no_memory(e);
    TRY(graphql_may(c, MAY_PREDICT, e));
    int rc = predict(c, p, arguments, &told, e);
    if (rc != 0) return graphql_fail(c, &told, rc);
    *out = gql_of_object(p);
    return 0;
}

RESOLVER(model_name)
{
    UNUSED;
    *out = gql_of_text(principal_name_of(((const predictions *)object)->inference.version->name));
    return 0;
}

RESOLVER(model_version)
{
    UNUSED;
    *out = gql_of_whole(((const predictions *)object)->inference.version->version);
    return 0;
}

RESOLVER(rows)
{
    UNUSED;
    const predictions *p = object;
    size_t n = p->inference.out.n_rows;
    gql_result *items = gql_list_of(c, n, out);
    predicted_row *all = arena_alloc(c->memory, n, sizeof *all);
    if (!items || !all) return no_memory(e);
    for (size_t i = 0; i < n; i++) {
        all[i] = (predicted_row){.all = p, .row = i};
        items[i] = gql_of_object(&all[i]);
    }
    return 0;
}

RESOLVER(label)
{
    UNUSED;
    const predicted_row *r = object;
    const prediction *p = &r->all->inference.out;
    if (p->labels) *out = r->all->labels[p->labels[r->row]];
    return 0;
}

RESOLVER(probability)
{
    UNUSED;
    const predicted_row *r = object;
    const prediction *p = &r->all->inference.out;
    if (!p->labels) return 0;
    return gql_float_result(c, p->scores[r->row * p->n_scores + (size_t)p->labels[r->row]], out, e);
}

RESOLVER(probabilities)
{
    UNUSED;
    const predicted_row *r = object;
    const prediction *p = &r->all->inference.out;
    if (!p->labels) return 0;
    gql_result *items = gql_list_of(c, p->n_scores, out);
    class_probability *all = arena_alloc(c->memory, p->n_scores, sizeof *all);
    if (!items || !all) return no_memory(e);
    for (size_t i = 0; i < p->n_scores; i++) {
        all[i] = (class_probability){.all = r->all, .row = r->row, .class = i};
        items[i] = gql_of_object(&all[i]);
    }
    return 0;
}

RESOLVER(value)
{
    UNUSED;
    const predicted_row *r = object;
    const prediction *p = &r->all->inference.out;
    return p->labels ? 0 : gql_float_result(c, p->scores[r->row], out, e);
}

RESOLVER(class_label)
{
    UNUSED;
    const class_probability *p = object;
    *out = p->all->labels[p->class];
    return 0;
}

RESOLVER(class_value)
{
    UNUSED;
    const class_probability *p = object;
    const prediction *scores = &p->all->inference.out;
    return gql_float_result(c, scores->scores[p->row * scores->n_scores + p->class], out, e);
}

static const gql_field predictions_fields[] = {
    {.name = "model", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = model_name},
    {.name = "version", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = model_version},
    {.name = "rows",
     .type = &graphql_prediction,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = rows,
     .about = "One for each row, in their order."},
};
const gql_type graphql_predictions = {.kind = GQL_KIND_OBJECT, .name = "Predictions", GQL_FIELDS(predictions_fields)};

static const gql_field prediction_fields[] = {
    {.name = "label", .type = &graphql_json, .resolve = label, .about = "The likeliest class, of the target's type."},
    {.name = "probability", .type = &gql_float, .resolve = probability, .about = "How likely it is."},
    {.name = "probabilities",
     .type = &graphql_class_probability,
     .wraps = GQL_LIST_OF_REQUIRED,
     .resolve = probabilities,
     .about = "Of every class."},
    {.name = "value", .type = &gql_float, .resolve = value, .about = "What a regression predicts."},
};
const gql_type graphql_prediction = {.kind = GQL_KIND_OBJECT,
                                     .name = "Prediction",
                                     .about = "Of a classification the label with its probability, of a regression "
                                              "the value; what does not apply is null, as is a number that is not "
                                              "finite.",
                                     GQL_FIELDS(prediction_fields)};

static const gql_field class_fields[] = {
    {.name = "label", .type = &graphql_json, .wraps = GQL_REQUIRED, .resolve = class_label},
    {.name = "probability", .type = &gql_float, .resolve = class_value},
};
const gql_type graphql_class_probability = {
    .kind = GQL_KIND_OBJECT, .name = "ClassProbability", GQL_FIELDS(class_fields)};
