// slipway predict: a model over a file of rows.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/source.h"
#include "data/write.h"

typedef struct predict_input {
    arguments shared; // first: the children's input
    const char *reference, *out;
    bool keep;
} predict_input;

enum { KEY_KEEP = KEYS_COMMAND };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "Write the predictions here (default: standard output)", 1},
    {"keep", KEY_KEEP, 0, 0, "Copy the columns of the file in front of the predictions", 1},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    predict_input *in = state->input;
    switch (key) {
    case ARGP_KEY_INIT: arguments_share(state, 1, &in->shared); return 0;
    case 'o': in->out = value; return 0;
    case KEY_KEEP: in->keep = true; return 0;
    default: return arguments_model_and_data(state, key, value, &in->reference, &in->shared);
    }
}

static const struct argp_child children[] = {{&arguments_read, 0, 0, 0}, {&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "MODEL DATA",
    .doc = "Predicts every row of a CSV or JSON Lines file, and writes CSV: the prediction, and for classes the "
           "probability of each. MODEL is an .onnx file, or NAME, NAME@ALIAS or NAME@VERSION from the registry."
           "\vExample:\n"
           "  slipway predict iris.onnx new.csv -o predictions.csv\n"
           "  slipway predict titanic passengers.csv --keep\n",
    .children = children,
};

static void add_float(buf *out, float value, bool first)
{
    char text[DECIMAL_TEXT_SIZE];
    csv_add_cell(out, (str){text, decimal_format_f32(value, text)}, first);
}

static void add_head(buf *out, const schema_target *target, const frame *kept)
{
    size_t n = kept ? frame_n_columns(kept) : 0;
    for (size_t i = 0; i < n; i++) csv_add_cell(out, str_of(frame_column(kept, i)->name), i == 0);
    csv_add_cell(out, STR("prediction"), n == 0);
    if (target->task != TASK_CLASSIFICATION) {
        buf_add_char(out, '\n');
        return;
    }
    for (size_t i = 0; i < target->n_classes; i++) {
        buf name;
        buf_init(&name, 1 << 20);
        buf_format(&name, "probability_%s", target->classes[i]);
        csv_add_cell(out, buf_str(&name), false);
        if (name.failed) out->failed = name.failed;
        buf_clear(&name);
    }
    buf_add_char(out, '\n');
}

static void add_csv(buf *out, const schema_target *target, const frame *kept, const prediction *p)
{
    add_head(out, target, kept);
    size_t n = kept ? frame_n_columns(kept) : 0;
    for (size_t row = 0; row < p->n_rows; row++) {
        for (size_t i = 0; i < n; i++) {
            char text[COLUMN_TEXT_SIZE];
            csv_add_cell(out, column_text(frame_column(kept, i), row, text), i == 0);
        }
        const float *scores = p->scores + row * p->n_scores;
        if (p->labels)
            csv_add_cell(out, str_of(target->classes[p->labels[row]]), n == 0);
        else
            add_float(out, scores[0], n == 0);
        for (size_t i = 0; p->labels && i < p->n_scores; i++) add_float(out, scores[i], false);
        buf_add_char(out, '\n');
    }
}

// One array of objects, shaped as the server's answer.
static void add_json(buf *out, const schema_target *target, const prediction *p)
{
    char text[DECIMAL_TEXT_SIZE];
    buf_add_text(out, "{\"predictions\":[");
    for (size_t row = 0; row < p->n_rows; row++) {
        const float *scores = p->scores + row * p->n_scores;
        buf_add_text(out, row ? ",\n{" : "\n{");
        if (!p->labels) {
            buf_add_text(out, "\"value\":");
            buf_add_str(out, (str){text, decimal_format_f32(scores[0], text)});
        } else {
            const char *label = target->classes[p->labels[row]];
            bool bare = target->type == COLUMN_INTEGER || target->type == COLUMN_BOOLEAN;
            buf_add_text(out, "\"label\":");
            if (bare)
                buf_add_text(out, label);
            else
                json_quote(out, str_of(label));
            buf_add_text(out, ",\"probabilities\":{");
            for (size_t i = 0; i < p->n_scores; i++) {
                if (i) buf_add_char(out, ',');
                json_quote(out, str_of(target->classes[i]));
                buf_add_char(out, ':');
                buf_add_str(out, (str){text, decimal_format_f32(scores[i], text)});
            }
            buf_add_char(out, '}');
        }
        buf_add_char(out, '}');
    }
    buf_add_text(out, "\n]}\n");
}

static int predict(const void *input, pool *p, err *e)
{
    const predict_input *in = input;
    arena a;
    arena_init(&a, in->shared.training.read.memory_max);
    model *m = NULL;
    frame *f = NULL;
    prediction predicted;
    buf text;
    buf_init(&text, in->shared.training.read.memory_max);
    int rc = source_model(&m, in->reference, e);
    if (rc == 0) rc = source_rows(&f, m, in->shared.training.path, &in->shared.training.read, p, e);
    if (rc == 0) rc = model_predict_frame(m, f, NULL, frame_n_rows(f), &predicted, p, &a, e);
    if (rc == 0) {
        const schema_target *target = &model_schema(m)->target;
        if (arguments_json())
            add_json(&text, target, &predicted);
        else
            add_csv(&text, target, in->keep ? f : NULL, &predicted);
        rc = buf_check(&text, e);
    }
    if (rc == 0) rc = result_write(in->out, buf_str(&text), e);
    if (rc == 0 && in->out && strcmp(in->out, "-") != 0 && !arguments_quiet()) {
        char count[COUNT_TEXT_SIZE];
        printf("%s predictions in %s\n", print_count((int64_t)predicted.n_rows, count), in->out);
    }
    buf_clear(&text);
    frame_free(f);
    model_drop(m);
    arena_clear(&a);
    return rc;
}

static int run(int argc, char **argv)
{
    predict_input in = {.shared = ARGUMENTS_DEFAULT};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    return arguments_run("predict", predict, &in);
}

const command command_predict = {"predict", "predict the rows of a file", &argp, run};
