// slipway deploy: a model file becomes the served version of a name.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/mem.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/source.h"

typedef struct deploy_input {
    const char *path, *name, *alias;
} deploy_input;

static const struct argp_option options[] = {
    {"name", 'n', "NAME", 0, "Name of the model (default: the file's)", 1},
    {"alias", 'a', "ALIAS", 0, "Alias to point at it (default: production, which is what is served)", 1},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    deploy_input *in = state->input;
    switch (key) {
    case 'n': in->name = value; return 0;
    case 'a': in->alias = value; return 0;
    case ARGP_KEY_ARG:
        if (in->path) arguments_fail(state, "one model file, not two: \"%s\"", value);
        in->path = value;
        return 0;
    case ARGP_KEY_NO_ARGS: arguments_fail(state, "which model file?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .doc =
        "Checks a model file, stores it in the registry as the next version of its name, and points an alias at it. A "
        "running server notices and serves it; requests under way end on the version they began with. The same "
        "file again is the same version."
        "\vExample:\n"
        "  slipway deploy iris.onnx\n"
        "  slipway deploy churn-new.onnx --name churn --alias candidate\n",
    .children = children,
};

static int deploy(const deploy_input *in, const char *name, err *e)
{
    // It has to be servable before it is registered: opened once, from its own copy.
    model *m = NULL;
    TRY(source_model(&m, in->path, e));
    registry *r = NULL;
    int64_t version = 0;
    bool existed = false;
    int rc = arguments_registry(&r, false, e);
    if (rc == 0) rc = registry_deploy(r, name, model_package(m), "", in->alias, &version, &existed, e);
    registry_close(r);
    if (rc == 0 && arguments_json()) {
        json_t *j = json_pack("{s:s, s:I, s:s, s:s, s:b}", "name", name, "version", (json_int_t)version, "alias",
                              in->alias, "digest", model_package(m)->digest, "existed", existed);
        if (print_json("deploy", j) != 0) rc = err_set(e, ERR_IO, "standard output");
    } else if (rc == 0 && !arguments_quiet()) {
        printf("%s version %lld%s, %s -> %lld\n", name, (long long)version, existed ? " (was there already)" : "",
               in->alias, (long long)version);
    }
    model_drop(m);
    return rc;
}

static int run(int argc, char **argv)
{
    deploy_input in = {.alias = ALIAS_DEFAULT};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    char *made = NULL;
    int rc = in.name ? 0 : model_name_of_path(&made, in.path, &e);
    const char *name = in.name ? in.name : made;
    const char *fault = rc == 0 ? model_name_fault(name) : NULL;
    if (rc == 0 && !fault) fault = alias_fault(in.alias);
    if (fault) rc = err_set(&e, ERR_USAGE, "%s", fault);
    if (rc == 0) rc = deploy(&in, name, &e);
    mem_free(made);
    return rc < 0 ? print_failure("deploy", &e) : 0;
}

const command command_deploy = {"deploy", "store a model file and serve it", &argp, run};
