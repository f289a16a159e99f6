// slipway train: a data file to a model file.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/mem.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/source.h"

typedef struct train_input {
    arguments shared; // first: the children's input
    const char *out;
} train_input;

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "Write the model here (default: the data file's name with .onnx, in this folder)", 1},
    {0},
};

static const struct argp_child children[] = {
    {&arguments_read, 0, 0, 0},  {&arguments_prepare, 0, 0, 0}, {&arguments_split, 0, 0, 0},
    {&arguments_train, 0, 0, 0}, {&arguments_general, 0, 0, 0}, {0},
};

enum { CHILDREN_N = sizeof children / sizeof *children - 1 };

static error_t parse(int key, char *value, struct argp_state *state)
{
    train_input *in = state->input;
    switch (key) {
    case ARGP_KEY_INIT: arguments_share(state, CHILDREN_N, &in->shared); return 0;
    case 'o': in->out = value; return 0;
    default: return arguments_data(state, key, value, &in->shared);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "DATA",
    .doc = "Trains a model on a CSV or JSON Lines file, evaluates it on rows it never saw, and writes it as one .onnx "
           "file that holds the preparation, the model and its description."
           "\vExample:\n"
           "  slipway train examples/iris.csv --target species -o iris.onnx\n"
           "  slipway train houses.csv --target price --set n_trees=300 --cv 5\n",
    .children = children,
};

static int to_json(json_t **out, const training_result *r, const char *path, err *e)
{
    json_t *j = json_object();
    int rc = json_put(j, "model", json_string(path), e);
    if (rc == 0) rc = json_put(j, "digest", json_string(r->package->digest), e);
    if (rc == 0) rc = json_put(j, "rows", json_integer((json_int_t)r->n_rows), e);
    if (rc == 0) rc = json_put(j, "rows_dropped", json_integer((json_int_t)r->n_rows_dropped), e);
    if (rc == 0) rc = json_put(j, "rows_train", json_integer((json_int_t)r->n_train), e);
    if (rc == 0) rc = json_put(j, "rows_test", json_integer((json_int_t)r->n_test), e);
    if (rc == 0) rc = json_put(j, "features", json_integer((json_int_t)r->n_features), e);
    if (rc == 0) rc = json_put(j, "metrics", json_incref(r->package->metrics), e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

static int train(const void *input, pool *p, err *e)
{
    const train_input *in = input;
    stage_printer stages = stage_printer_new(stdout, arguments_quiet());
    training_news news = stage_printer_news(&stages);
    char *made_path = NULL;
    training_result r;
    TRY(training_run(&r, &in->shared.training, p, &news, e));

    const char *path = in->out;
    int rc = 0;
    if (!path) {
        char *name = NULL;
        rc = model_name_of_path(&name, in->shared.training.path, e);
        if (rc == 0) {
            size_t size = strlen(name) + sizeof ".onnx";
            made_path = mem_alloc(size, 1);
            if (made_path)
                snprintf(made_path, size, "%s.onnx", name);
            else
                rc = err_set(e, ERR_MEMORY, "no memory for a name");
        }
        mem_free(name);
        path = made_path;
    }
    str file = {0};
    if (rc == 0) rc = package_onnx(r.package, &file, e);
    if (rc == 0) rc = file_write_atomic(path, file, 0644, e);
    if (rc == 0 && arguments_json()) {
        json_t *document = NULL;
        rc = to_json(&document, &r, path, e);
        if (rc == 0 && print_json("train", document) != 0) rc = err_set(e, ERR_IO, "standard output");
    } else if (rc == 0) {
        char size[COUNT_TEXT_SIZE], text[400];
        snprintf(text, sizeof text, "%s, %s", path, print_bytes((int64_t)file.len, size));
        print_stage(&stages, "write", text);
        if (!arguments_quiet()) putchar('\n');
        print_measured(stdout, r.package->metrics);
        if (!arguments_quiet()) printf("\nNext:  slipway deploy %s && slipway serve\n", path);
    }
    mem_free(made_path);
    training_result_clear(&r);
    return rc;
}

static int run(int argc, char **argv)
{
    train_input in = {.shared = ARGUMENTS_DEFAULT};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    stop_signals_catch(NULL);
    return arguments_run("train", train, &in);
}

const command command_train = {"train", "train a model on a data file", &argp, run};
