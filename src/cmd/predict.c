// slipway predict: a model over a file of rows.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "automl/applied.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/source.h"

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

// One array of objects, shaped as the server's answer.
static void add_json(buf *out, const schema_target *target, const prediction *p)
{
    buf_add_text(out, "{\"predictions\":[");
    for (size_t row = 0; row < p->n_rows; row++) {
        buf_add_text(out, row ? ",\n" : "\n");
        applied_object(out, target, p, row);
    }
    buf_add_text(out, "\n]}\n");
}

static void add_csv(buf *out, const schema_target *target, const frame *kept, const prediction *p)
{
    applied_head(out, APPLIED_CSV, target, kept);
    applied_rows(out, APPLIED_CSV, target, kept, p, 0, p->n_rows);
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
    if (rc == 0) rc = applied_read(&f, m, in->shared.training.path, &in->shared.training.read, p, e);
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
