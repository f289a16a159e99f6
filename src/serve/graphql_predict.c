// Predictions. Rows are JSON, because every model has columns of its own and a schema of this service that changed with
// them would be another one for every caller, and after every deployment; column names need not be names in GraphQL
// either. What a model wants is in Model.inputs. Answers are typed.
// SPDX-License-Identifier: Apache-2.0
#include "automl/explained.h"
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

typedef struct contribution {
    const predictions *all;
    size_t row, column;
} contribution;

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
    i->explain = (explain_wish){.wanted = arguments[3]->truth, .class = EXPLAIN_PREDICTED};
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

RESOLVER(why)
{
    UNUSED;
    const predicted_row *r = object;
    *out = gql_of_object(r->all->inference.explain.wanted ? r : NULL);
    return 0;
}

RESOLVER(space)
{
    UNUSED;
    const inference *i = &((const predicted_row *)object)->all->inference;
    *out = gql_of_text(explained_space(i->in.schema, &i->explained));
    return 0;
}

RESOLVER(explained_class)
{
    UNUSED;
    const predicted_row *r = object;
    const explanation *x = &r->all->inference.explained;
    if (x->classes) *out = r->all->labels[x->classes[r->row]];
    return 0;
}

RESOLVER(base)
{
    UNUSED;
    const predicted_row *r = object;
    *out = gql_of_real(r->all->inference.explained.base[r->row]);
    return 0;
}

RESOLVER(explained)
{
    UNUSED;
    const predicted_row *r = object;
    *out = gql_of_real(r->all->inference.explained.explained[r->row]);
    return 0;
}

RESOLVER(contributions)
{
    UNUSED;
    const predicted_row *r = object;
    size_t n = r->all->inference.explained.n_columns;
    gql_result *items = gql_list_of(c, n, out);
    contribution *all = arena_alloc(c->memory, n, sizeof *all);
    if (!items || !all) return no_memory(e);
    for (size_t i = 0; i < n; i++) {
        all[i] = (contribution){.all = r->all, .row = r->row, .column = i};
        items[i] = gql_of_object(&all[i]);
    }
    return 0;
}

RESOLVER(contributing_column)
{
    UNUSED;
    const contribution *x = object;
    *out = gql_of_text(x->all->inference.in.schema->inputs[x->column].name);
    return 0;
}

RESOLVER(contributed)
{
    UNUSED;
    const contribution *x = object;
    const explanation *all = &x->all->inference.explained;
    *out = gql_of_real(all->contributions[x->row * all->n_columns + x->column]);
    return 0;
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
    {.name = "explanation",
     .type = &graphql_explanation,
     .resolve = why,
     .about = "What each column adds; null unless predict was asked to explain."},
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

static const gql_field explanation_fields[] = {
    {.name = "space",
     .type = &gql_string,
     .wraps = GQL_REQUIRED,
     .resolve = space,
     .about = "What base and contributions are parts of: probability, value or margin."},
    {.name = "class", .type = &graphql_json, .resolve = explained_class, .about = "Whose score is explained."},
    {.name = "base", .type = &gql_float, .resolve = base, .about = "Expected before anything is known."},
    {.name = "explained", .type = &gql_float, .resolve = explained, .about = "Base and contributions together."},
    {.name = "contributions",
     .type = &graphql_contribution,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = contributions,
     .about = "Of every column, in the order of Model.inputs."},
};
const gql_type graphql_explanation = {.kind = GQL_KIND_OBJECT,
                                      .name = "Explanation",
                                      .about = "What each column adds to a prediction: exact Shapley values.",
                                      GQL_FIELDS(explanation_fields)};

static const gql_field contribution_fields[] = {
    {.name = "column", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = contributing_column},
    {.name = "value", .type = &gql_float, .resolve = contributed},
};
const gql_type graphql_contribution = {
    .kind = GQL_KIND_OBJECT, .name = "Contribution", GQL_FIELDS(contribution_fields)};
