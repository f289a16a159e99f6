// slipway explain: what each column adds to each prediction.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "automl/applied.h"
#include "automl/explained.h"
#include "base/decimal.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/explain_model.h"
#include "cmd/print.h"
#include "cmd/source.h"
#include "data/write.h"

typedef struct explain_input {
    arguments shared; // first: the children's input
    const char *reference, *out, *class;
    size_t top;
    bool summary;
    bool importance;
    const char *dependence;
    importance_options shuffles;
    bool repeats_given;
} explain_input;

enum { KEY_CLASS = KEYS_COMMAND, KEY_TOP, KEY_SUMMARY, KEY_IMPORTANCE, KEY_REPEATS, KEY_METRIC, KEY_DEPENDENCE };
enum { REPEATS_MAX = 1000 };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "Write the contributions here (default: standard output)", 1},
    {"class", KEY_CLASS, "NAME", 0, "Explain the score of this class (default: of the class that each row was given)",
     1},
    {"top", KEY_TOP, "N", 0, "Only the N columns of each row that contribute most, largest first", 1},
    {"summary", KEY_SUMMARY, 0, 0, "Only how much each column matters: its mean absolute contribution", 1},
    {"importance", KEY_IMPORTANCE, "permutation", 0,
     "Instead: how much worse the model gets on these labelled rows when a column is shuffled. For every model", 2},
    {"repeats", KEY_REPEATS, "N", 0, "Shuffles of each column (default: 5)", 2},
    {"metric", KEY_METRIC, "NAME", 0, "What gets worse: accuracy, log_loss, rmse, ... (default: the recipe's)", 2},
    {"dependence", KEY_DEPENDENCE, "COLUMN", 0,
     "Instead: the mean prediction over these rows, were the column the same in all of them, for each of its values. "
     "For every model",
     3},
    {0},
};

// Ends parsing where options make no sense together.
static void check_together(struct argp_state *state, const explain_input *in)
{
    bool rows = in->class || in->top > 0 || in->summary;
    if (in->importance && in->dependence) arguments_fail(state, "--importance and --dependence: one at a time");
    if (rows && (in->importance || in->dependence))
        arguments_fail(state, "--class, --top and --summary are for explanations of rows");
    if (!in->importance && (in->repeats_given || in->shuffles.metric))
        arguments_fail(state, "--repeats and --metric go with --importance");
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    explain_input *in = state->input;
    int64_t top, repeats;
    switch (key) {
    case KEY_IMPORTANCE:
        if (strcmp(value, "permutation") != 0)
            arguments_fail(state, "--importance %s: only permutation is known", value);
        in->importance = true;
        return 0;
    case KEY_REPEATS:
        if (decimal_parse_i64(str_of(value), &repeats) < 0 || repeats < 1 || repeats > REPEATS_MAX)
            arguments_fail(state, "--repeats %s: a number from 1 to %d was expected", value, (int)REPEATS_MAX);
        in->shuffles.n_repeats = (size_t)repeats;
        in->repeats_given = true;
        return 0;
    case KEY_METRIC: in->shuffles.metric = value; return 0;
    case KEY_DEPENDENCE: in->dependence = value; return 0;
    case ARGP_KEY_END:
        check_together(state, in);
        return arguments_model_and_data(state, key, value, &in->reference, &in->shared);
    case ARGP_KEY_INIT: arguments_share(state, 1, &in->shared); return 0;
    case 'o': in->out = value; return 0;
    case KEY_CLASS: in->class = value; return 0;
    case KEY_SUMMARY: in->summary = true; return 0;
    case KEY_TOP:
        if (decimal_parse_i64(str_of(value), &top) < 0 || top < 1 || top > INT32_MAX)
            arguments_fail(state, "--top %s: a number from 1 on was expected", value);
        in->top = (size_t)top;
        return 0;
    default: return arguments_model_and_data(state, key, value, &in->reference, &in->shared);
    }
}

static const struct argp_child children[] = {{&arguments_read, 0, 0, 0}, {&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "MODEL DATA",
    .doc =
        "Says what each column adds to the prediction of each row of a CSV or JSON Lines file: exact Shapley values "
        "(TreeSHAP), which add up to the prediction. Writes CSV: the prediction, for classes the class whose score "
        "is explained, what is expected before anything is known (base), what base and contributions add up to "
        "(explained), and a contribution for each column. With -o, a summary is shown too. MODEL is an .onnx file, "
        "or NAME, NAME@ALIAS or NAME@VERSION from the registry. --importance and --dependence look at a model on the "
        "whole, and ask its predictions alone."
        "\vExample:\n"
        "  slipway explain titanic.onnx passengers.csv --top 3\n"
        "  slipway explain titanic passengers.csv --class yes -o contributions.csv\n"
        "  slipway explain titanic passengers.csv --summary\n"
        "  slipway explain titanic passengers.csv --importance permutation\n"
        "  slipway explain titanic passengers.csv --dependence age\n",
    .children = children,
};

static int find_class(int32_t *out, const schema_target *t, const char *name, err *e)
{
    *out = EXPLAIN_PREDICTED;
    if (!name) return 0;
    if (t->task != TASK_CLASSIFICATION)
        return err_set(e, ERR_INPUT, "--class %.80s: this model predicts a value", name);
    for (size_t i = 0; i < t->n_classes; i++) {
        if (strcmp(t->classes[i], name) != 0) continue;
        *out = (int32_t)i;
        return 0;
    }
    return err_set(e, ERR_INPUT, "--class %.80s: the model has no such class", name);
}

typedef struct mean {
    const char *column;
    double value;
    size_t place;
} mean;

static int compare_means(const void *a, const void *b)
{
    const mean *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static int summarise(mean **out, const schema *s, const explanation *x, arena *a, err *e)
{
    double *values = arena_alloc(a, x->n_columns, sizeof *values);
    mean *means = arena_alloc(a, x->n_columns, sizeof *means);
    if (!values || !means) return err_set(e, ERR_MEMORY, "no memory for a summary of %zu columns", x->n_columns);
    explained_means(x, values);
    for (size_t i = 0; i < x->n_columns; i++) means[i] = (mean){s->inputs[i].name, values[i], i};
    qsort(means, x->n_columns, sizeof *means, compare_means);
    *out = means;
    return 0;
}

static void add_summary(buf *out, const mean *means, size_t n)
{
    buf_add_text(out, "\"summary\":[");
    for (size_t i = 0; i < n; i++) {
        char text[DECIMAL_TEXT_SIZE];
        buf_add_text(out, i ? ",\n{\"column\":" : "\n{\"column\":");
        json_quote(out, str_of(means[i].column));
        buf_add_text(out, ",\"mean_absolute\":");
        buf_add(out, text, decimal_format_f64(means[i].value, text));
        buf_add_char(out, '}');
    }
    buf_add_text(out, "\n]");
}

static void add_table(buf *out, const mean *means, size_t n)
{
    buf_add_text(out, "column,mean_absolute\n");
    for (size_t i = 0; i < n; i++) {
        char text[DECIMAL_TEXT_SIZE];
        csv_add_cell(out, str_of(means[i].column), true);
        csv_add_cell(out, (str){text, decimal_format_f64(means[i].value, text)}, false);
        buf_add_char(out, '\n');
    }
}

static void add_json(buf *out, const explain_input *in, const schema *s, const explanation *x, const mean *means,
                     uint32_t *order)
{
    buf_format(out, "{\"space\":\"%s\",", explained_space(s, x));
    add_summary(out, means, x->n_columns);
    if (!in->summary) {
        buf_add_text(out, ",\"explanations\":[");
        for (size_t row = 0; row < x->n_rows; row++) {
            buf_add_text(out, row ? ",\n" : "\n");
            explained_object(out, s, x, row, in->top, order);
        }
        buf_add_text(out, "\n]");
    }
    buf_add_text(out, "}\n");
}

static void add_csv(buf *out, const explain_input *in, const schema *s, const prediction *p, const explanation *x,
                    const mean *means, uint32_t *order)
{
    if (in->summary) {
        add_table(out, means, x->n_columns);
        return;
    }
    explained_head(out, s, in->top);
    for (size_t row = 0; row < x->n_rows; row++) explained_row(out, s, p, x, row, in->top, order);
}

static void show(const explain_input *in, const schema *s, const explanation *x, const mean *means)
{
    enum { SHOWN_MAX = 10, TEXT_SIZE = 32 };
    char count[COUNT_TEXT_SIZE], texts[SHOWN_MAX][TEXT_SIZE];
    const char *cells[2 * (SHOWN_MAX + 1)] = {"column", "mean |contribution|"};
    size_t n = x->n_columns < SHOWN_MAX ? x->n_columns : SHOWN_MAX;
    for (size_t i = 0; i < n; i++) {
        snprintf(texts[i], TEXT_SIZE, "%.6g", means[i].value);
        cells[2 * i + 2] = means[i].column;
        cells[2 * i + 3] = texts[i];
    }
    print_table(stdout, cells, n + 1, 2);
    if (x->n_columns > n) printf("and %zu more\n", x->n_columns - n);
    printf("\n%s rows explained (%s) in %s\n", print_count((int64_t)x->n_rows, count), explained_space(s, x), in->out);
}

static int explain_model(const explain_input *in, pool *p, err *e)
{
    size_t memory_max = in->shared.training.read.memory_max;
    arena a;
    arena_init(&a, memory_max);
    model *m = NULL;
    frame *f = NULL;
    buf text;
    buf_init(&text, memory_max);
    int rc = source_model(&m, in->reference, e);
    if (rc == 0) rc = applied_read(&f, m, in->shared.training.path, &in->shared.training.read, p, e);
    if (rc == 0 && in->importance) rc = explain_importance(&text, m, f, &in->shuffles, p, &a, e);
    if (rc == 0 && in->dependence) rc = explain_dependence(&text, m, f, in->dependence, p, &a, e);
    if (rc == 0) rc = buf_check(&text, e);
    if (rc == 0) rc = result_write(in->out, buf_str(&text), e);
    buf_clear(&text);
    frame_free(f);
    model_drop(m);
    arena_clear(&a);
    return rc;
}

static int explain(const void *input, pool *p, err *e)
{
    const explain_input *in = input;
    if (in->importance || in->dependence) return explain_model(in, p, e);
    size_t memory_max = in->shared.training.read.memory_max;
    arena a;
    arena_init(&a, memory_max);
    model *m = NULL;
    frame *f = NULL;
    prediction predicted;
    explanation x;
    mean *means;
    int32_t class;
    buf text;
    buf_init(&text, memory_max);
    int rc = source_model(&m, in->reference, e);
    if (rc == 0) rc = model_explains(m, e);
    if (rc == 0) rc = find_class(&class, &model_schema(m)->target, in->class, e);
    if (rc == 0) rc = applied_read(&f, m, in->shared.training.path, &in->shared.training.read, p, e);
    if (rc == 0) rc = model_explain_frame(m, f, class, &predicted, &x, p, &a, e);
    if (rc == 0) rc = summarise(&means, model_schema(m), &x, &a, e);
    if (rc == 0) {
        const schema *s = model_schema(m);
        uint32_t *order = arena_alloc(&a, x.n_columns, sizeof *order);
        if (!order)
            rc = err_set(e, ERR_MEMORY, "no memory for an order of %zu columns", x.n_columns);
        else if (arguments_json())
            add_json(&text, in, s, &x, means, order);
        else
            add_csv(&text, in, s, &predicted, &x, means, order);
    }
    if (rc == 0) rc = buf_check(&text, e);
    if (rc == 0) rc = result_write(in->out, buf_str(&text), e);
    if (rc == 0 && in->out && strcmp(in->out, "-") != 0 && !arguments_quiet()) show(in, model_schema(m), &x, means);
    buf_clear(&text);
    frame_free(f);
    model_drop(m);
    arena_clear(&a);
    return rc;
}

static int run(int argc, char **argv)
{
    explain_input in = {.shared = ARGUMENTS_DEFAULT, .shuffles = IMPORTANCE_OPTIONS_DEFAULT};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    return arguments_run("explain", explain, &in);
}

const command command_explain = {"explain", "say what each column adds to each prediction", &argp, run};
