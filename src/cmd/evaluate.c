// slipway evaluate: how good a model is on a labelled file.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/source.h"
#include "model/truth.h"

typedef struct evaluate_input {
    arguments shared; // first: the children's input
    const char *reference;
} evaluate_input;

static error_t parse(int key, char *value, struct argp_state *state)
{
    evaluate_input *in = state->input;
    switch (key) {
    case ARGP_KEY_INIT: arguments_share(state, 1, &in->shared); return 0;
    default: return arguments_model_and_data(state, key, value, &in->reference, &in->shared);
    }
}

static const struct argp_child children[] = {{&arguments_read, 0, 0, 0}, {&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .parser = parse,
    .args_doc = "MODEL DATA",
    .doc =
        "Compares a model's predictions with the true values in a file. MODEL is an .onnx file, or NAME, NAME@ALIAS or "
        "NAME@VERSION from the registry. Rows without a true value are left out."
        "\vExample:\n"
        "  slipway evaluate iris.onnx examples/iris.csv\n"
        "  slipway evaluate titanic@production newer.csv --json\n",
    .children = children,
};

static int evaluate(const void *input, pool *p, err *e)
{
    const evaluate_input *in = input;
    arena a;
    arena_init(&a, in->shared.training.read.memory_max);
    model *m = NULL;
    frame *f = NULL;
    truth t = {0};
    metrics measured = {0};
    prediction predicted;
    int rc = source_model(&m, in->reference, e);
    if (rc == 0) rc = source_rows(&f, m, in->shared.training.path, &in->shared.training.read, p, e);
    const schema_target *target = rc == 0 ? &model_schema(m)->target : NULL;
    if (rc == 0) rc = truth_of_frame(&t, target, f, e);
    if (rc == 0) rc = model_predict_frame(m, f, t.rows, t.n_rows, &predicted, p, &a, e);
    if (rc == 0)
        rc = target->task == TASK_CLASSIFICATION
                 ? metrics_classification(&measured, t.classes, predicted.scores, t.n_rows, target->n_classes, e)
                 : metrics_regression(&measured, t.values, predicted.scores, t.n_rows, e);
    const char *const *classes =
        rc == 0 && target->task == TASK_CLASSIFICATION ? (const char *const *)target->classes : NULL;
    json_t *document = NULL;
    if (rc == 0) rc = metrics_to_json(&measured, classes, &document, e);
    if (rc == 0 && arguments_json()) {
        if (print_json("evaluate", json_incref(document)) != 0) rc = err_set(e, ERR_IO, "standard output");
    } else if (rc == 0) {
        char count[COUNT_TEXT_SIZE];
        if (!arguments_quiet())
            printf("%s rows of %s\n\n", print_count((int64_t)t.n_rows, count), in->shared.training.path);
        print_metrics(stdout, document);
    }
    json_decref(document);
    metrics_clear(&measured);
    truth_clear(&t);
    frame_free(f);
    model_drop(m);
    arena_clear(&a);
    return rc;
}

static int run(int argc, char **argv)
{
    evaluate_input in = {.shared = ARGUMENTS_DEFAULT};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    return arguments_run("evaluate", evaluate, &in);
}

const command command_evaluate = {"evaluate", "measure a model on a labelled file", &argp, run};
