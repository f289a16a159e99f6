// slipway evaluate: how good a model is on a labelled file.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "automl/applied.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/source.h"

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
    json_t *document = NULL;
    size_t n_rows = 0;
    int rc = source_model(&m, in->reference, e);
    if (rc == 0) rc = applied_read(&f, m, in->shared.training.path, &in->shared.training.read, p, e);
    if (rc == 0) rc = applied_measure(&document, &n_rows, m, f, p, &a, e);
    if (rc == 0 && arguments_json()) {
        if (print_json("evaluate", json_incref(document)) != 0) rc = err_set(e, ERR_IO, "standard output");
    } else if (rc == 0) {
        char count[COUNT_TEXT_SIZE];
        if (!arguments_quiet())
            printf("%s rows of %s\n\n", print_count((int64_t)n_rows, count), in->shared.training.path);
        print_metrics(stdout, document);
    }
    json_decref(document);
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
