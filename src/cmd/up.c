// slipway up: from a data file to a served model, in one command.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/serving.h"
#include "cmd/settings.h"
#include "model/model.h"
#include "serve/example.h"

typedef struct up_input {
    arguments shared; // first: the children's input
    const char *name;
} up_input;

static const struct argp_option options[] = {
    {"name", 'n', "NAME", 0, "Name of the model (default: the data file's)", 1},
    {0},
};

static const struct argp_child children[] = {
    {&arguments_read, 0, 0, 0},
    {&arguments_prepare, 0, 0, 0},
    {&arguments_split, 0, 0, 0},
    {&arguments_train, 0, 0, 0},
    {&arguments_serve, 0, 0, 0},
    {&arguments_general, 0, 0, 0},
    {0},
};

enum { CHILDREN_N = sizeof children / sizeof *children - 1 };

static error_t parse(int key, char *value, struct argp_state *state)
{
    up_input *in = state->input;
    switch (key) {
    case ARGP_KEY_INIT: arguments_share(state, CHILDREN_N, &in->shared); return 0;
    case 'n': in->name = value; return 0;
    default: return arguments_data(state, key, value, &in->shared);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "DATA",
    .doc =
        "Takes a data file to a served model: reads, profiles, cleans, splits, trains, evaluates on rows never seen, "
        "registers, deploys and serves. The same data and options again reuse the version that is there; changed "
        "data make a new one. If a server of the same registry already holds the port, the model is deployed "
        "into it."
        "\vExample:\n"
        "  slipway up examples/titanic.csv --target survived\n",
    .children = children,
};

// What stays of a run once the model is registered: enough to say how good it is and to show how to call it.
typedef struct deployed {
    char name[MODEL_NAME_MAX + 1];
    int64_t version;
    bool reused;
    json_t *metrics; // owned
    model *model;    // owned
} deployed;

static void deployed_clear(deployed *d)
{
    json_decref(d->metrics);
    model_drop(d->model);
}

static int reuse(deployed *d, registry *r, stage_printer *stages, err *e)
{
    package *p = NULL;
    TRY(registry_alias_set(r, d->name, ALIAS_DEFAULT, d->version, e));
    TRY(registry_load(r, d->name, d->version, &p, e));
    d->reused = true;
    d->metrics = json_incref(p->metrics);
    TRY(model_open(&d->model, p, e));
    char text[160];
    snprintf(text, sizeof text, "%s version %lld was made from the same data and options: reused", d->name,
             (long long)d->version);
    print_stage(stages, "register", text);
    return 0;
}

static int train(deployed *d, registry *r, const training_options *o, const char *run_key, pool *p,
                 stage_printer *stages, err *e)
{
    training_news news = stage_printer_news(stages);
    training_result made;
    TRY(training_run(&made, o, p, &news, e));
    bool existed = false;
    int rc = registry_deploy(r, d->name, made.package, run_key, ALIAS_DEFAULT, &d->version, &existed, e);
    if (rc == 0) {
        char text[160];
        snprintf(text, sizeof text, "%s version %lld%s", d->name, (long long)d->version,
                 existed ? " has the same bytes: reused" : "");
        print_stage(stages, "register", text);
        d->reused = existed;
        d->metrics = json_incref(made.package->metrics);
        package *taken = made.package;
        made.package = NULL;
        rc = model_open(&d->model, taken, e);
    }
    training_result_clear(&made);
    return rc;
}

// Reads, then reuses what the registry has or trains: everything up to the deployed version.
static int deploy(deployed *d, const up_input *in, pool *p, stage_printer *stages, err *e)
{
    training_options o = in->shared.training;
    char run_key[65];
    registry *r = NULL;
    frame *f = NULL;
    int rc = read_file(&f, o.path, &o.read, p, e);
    if (rc == 0) rc = training_key(&o, f, run_key, e);
    if (rc == 0) rc = arguments_registry(&r, false, e);
    if (rc == 0) {
        o.frame = f;
        rc = registry_find_run(r, d->name, run_key, &d->version, e);
        if (rc == 0)
            rc = reuse(d, r, stages, e);
        else if (rc == ERR_NOT_FOUND)
            rc = train(d, r, &o, run_key, p, stages, e);
    }
    registry_close(r);
    frame_free(f);
    if (rc < 0) return rc;
    char text[160];
    snprintf(text, sizeof text, "%s -> version %lld", ALIAS_DEFAULT, (long long)d->version);
    print_stage(stages, "deploy", text);
    return 0;
}

enum { CURL_MAX = 1 << 20 };

typedef struct ready_context {
    deployed *d;
    stage_printer *stages;
    bool theirs; // a server was there already
} ready_context;

static void say_ready(void *context, uint16_t port)
{
    ready_context *c = context;
    deployed *d = c->d;
    char address[URL_TEXT_SIZE];
    example_url(settings_text(SETTING_TLS_CERT)[0] != '\0', settings_text(SETTING_HOST), port, address);
    buf line;
    buf_init(&line, CURL_MAX);
    example_curl(model_schema(d->model), address, d->name, &line);
    buf_add_char(&line, '\0');
    const char *curl = line.failed ? "(the example is too long to show)" : line.data;
    if (arguments_json()) {
        json_t *j = json_pack("{s:s, s:I, s:b, s:O, s:s, s:s, s:b}", "name", d->name, "version", (json_int_t)d->version,
                              "reused", d->reused, "metrics", d->metrics, "address", address, "curl", curl,
                              "server_was_running", c->theirs);
        (void)print_json("up", j);
    } else if (!arguments_quiet()) {
        char text[200];
        snprintf(text, sizeof text, "%s%s", address,
                 c->theirs ? " (a server of this registry is running there: it takes the model over)"
                           : " (Ctrl-C stops)");
        printf("\n");
        print_measured(stdout, d->metrics);
        printf("\n");
        print_stage(c->stages, "serve", text);
        printf("\n  %s\n\n", curl);
    }
    buf_clear(&line);
    fflush(stdout);
}

static int up(const void *input, pool *p, err *e)
{
    const up_input *in = input;
    stage_printer stages = stage_printer_new(stdout, arguments_quiet());
    server_options o = serving_options();
    const char *fault = server_options_fault(&o);
    if (fault) return err_set(e, ERR_USAGE, "%s", fault);
    deployed d = {0};
    snprintf(d.name, sizeof d.name, "%s", in->name);
    ready_context ready = {.d = &d, .stages = &stages};
    int rc = deploy(&d, in, p, &stages, e);
    if (rc == 0 && o.port && server_is_ours(o.host, o.port, o.data_dir)) {
        ready.theirs = true;
        say_ready(&ready, o.port);
    } else if (rc == 0) {
        rc = serving_run(&o, say_ready, &ready, e);
    }
    deployed_clear(&d);
    return rc;
}

static int run(int argc, char **argv)
{
    up_input in = {.shared = ARGUMENTS_DEFAULT};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    stop_signals_catch(NULL);
    err e = ERR_NONE;
    char *made = NULL;
    int rc = in.name ? 0 : model_name_of_path(&made, in.shared.training.path, &e);
    if (!in.name) in.name = made;
    const char *fault = rc == 0 ? model_name_fault(in.name) : NULL;
    if (fault) rc = err_set(&e, ERR_USAGE, "%s", fault);
    status = rc < 0 ? print_failure("up", &e) : arguments_run("up", up, &in);
    mem_free(made);
    return status;
}

const command command_up = {"up", "take a data file to a served model, all in one", &argp, run};
