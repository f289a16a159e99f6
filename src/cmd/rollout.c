// slipway rollout: a canary and a shadow of a running server, started, looked at and ended.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/json.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/remote.h"
#include "cmd/settings.h"
#include "registry/deployments.h"

enum { ANSWER_BYTES_MAX = 16 << 20, ANSWER_MS = 10000, PATH_SIZE = 256, CELL_SIZE = 96, EVENTS_SHOWN = 5 };
enum { KEY_WEIGHT = KEYS_COMMAND, KEY_SHARE, KEY_END, KEY_ERRORS, KEY_LATENCY, KEY_SCORES, KEY_REQUESTS, KEY_WINDOW };
enum { KEY_SERVER = KEY_WINDOW + 1, KEY_KEY_FILE, KEY_CA, GUARDS_N = KEY_WINDOW - KEY_ERRORS + 1 };

typedef struct rollout_input {
    const char *verb, *name, *version;
    const char *server, *key_file, *ca;
    int64_t weight, share, guards[GUARDS_N]; // -1: not said
    bool end;
} rollout_input;

static const struct argp_option options[] = {
    {0, 0, 0, 0, "Starting a canary, or changing the one that is out:", 1},
    {"weight", KEY_WEIGHT, "N", 0, "Of 1000 requests, so many go to it", 1},
    {"errors", KEY_ERRORS, "N", 0,
     "It is taken back if its error rate is so many per mille above the primary's (default 20; 0: off)", 1},
    {"latency", KEY_LATENCY, "N", 0,
     "It is taken back if its 95th percentile of time is more than so many per cent of the primary's (default 200; 0: "
     "off)",
     1},
    {"scores", KEY_SCORES, "N", 0,
     "It is taken back if the stability index of the scores is more than so many thousandths (default 250; 0: off)", 1},
    {"requests", KEY_REQUESTS, "N", 0, "Nothing is said before both had so many requests (default 500)", 1},
    {"window", KEY_WINDOW, "SECONDS", 0, "What is compared begins anew after this (default 60)", 1},
    {0, 0, 0, 0, "A shadow:", 2},
    {"share", KEY_SHARE, "N", 0, "Of 1000 requests, so many are copied for it (default 1000)", 2},
    {"end", KEY_END, 0, 0, "No more copies", 2},
    {0, 0, 0, 0, "Which server:", 3},
    {"server", KEY_SERVER, "URL", 0, "Another one (default: the one over the data directory, by its socket)", 3},
    {"key-file", KEY_KEY_FILE, "FILE", 0, "File with a key that may deploy (default: SLIPWAY_KEY)", 3},
    {"ca", KEY_CA, "FILE", 0, "Certificate to trust the server by (default: the system's)", 3},
    {0},
};

static int64_t number(struct argp_state *state, const char *what, const char *value)
{
    int64_t n;
    if (decimal_parse_i64(str_of(value), &n) < 0 || n < 0)
        arguments_fail(state, "%s: \"%s\" is not a whole number", what, value);
    return n;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    rollout_input *in = state->input;
    if (key >= KEY_ERRORS && key <= KEY_WINDOW) {
        in->guards[key - KEY_ERRORS] = number(state, "a guard", value);
        return 0;
    }
    switch (key) {
    case KEY_WEIGHT: in->weight = number(state, "--weight", value); return 0;
    case KEY_SHARE: in->share = number(state, "--share", value); return 0;
    case KEY_END: in->end = true; return 0;
    case KEY_SERVER: in->server = value; return 0;
    case KEY_KEY_FILE: in->key_file = value; return 0;
    case KEY_CA: in->ca = value; return 0;
    case ARGP_KEY_ARG:
        if (!in->verb)
            in->verb = value;
        else if (!in->name)
            in->name = value;
        else if (!in->version)
            in->version = value;
        else
            arguments_fail(state, "one word too many: \"%s\"", value);
        return 0;
    case ARGP_KEY_NO_ARGS: arguments_fail(state, "start, status, promote, rollback or shadow?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "start NAME VERSION --weight N\nstatus [NAME]\npromote NAME\nrollback NAME\nshadow NAME VERSION\n"
                "shadow NAME --end",
    .doc =
        "Rolls a version out on a running server. A canary takes a share of the requests until it is promoted; it is "
        "taken back by hand, or by itself when it fails more often, is slower, or gives other scores than the "
        "version that it is to replace. A shadow is given copies of requests and answers nobody: status says how its "
        "answers differ. Without a canary, rollback goes back to what was deployed before."
        "\vExamples:\n"
        "  slipway rollout shadow churn 5\n"
        "  slipway rollout start churn 5 --weight 50\n"
        "  slipway rollout status churn\n"
        "  slipway rollout promote churn\n",
    .children = children,
};

// ---- the server

static int ask(const remote *to, const char *method, const char *path, const json_t *body, json_t **out, err *e)
{
    fetch_answer a;
    buf text;
    buf_init(&text, 1 << 16);
    int rc = body ? json_format(body, false, &text, e) : 0;
    if (rc == 0)
        rc = remote_ask(to,
                        &(remote_question){.method = method,
                                           .path = path,
                                           .what = "rollout",
                                           .type = body ? "application/json" : NULL,
                                           .body = buf_str(&text),
                                           .answer_max = ANSWER_BYTES_MAX,
                                           .time_ms_max = ANSWER_MS},
                        &a, e);
    buf_clear(&text);
    if (rc < 0) return rc;
    *out = NULL;
    if (a.body.len > 0) rc = json_parse(out, buf_str(&a.body), e);
    buf_clear(&a.body);
    return rc < 0 ? err_prefix(e, rc, "the server's answer") : 0;
}

// A model's name goes into a path as it is: what may be in one needs no escaping.
static int path_of(const rollout_input *in, const char *rest, char out[PATH_SIZE], err *e)
{
    if (!in->name) return err_set(e, ERR_USAGE, "which model?");
    const char *fault = model_name_fault(in->name);
    if (fault) return err_set(e, ERR_USAGE, "the model's name \"%s\" %s", in->name, fault);
    snprintf(out, PATH_SIZE, "api/v1/models/%s/deployment%s", in->name, rest);
    return 0;
}

static int version_of(const rollout_input *in, int64_t *out, err *e)
{
    if (!in->version) return err_set(e, ERR_USAGE, "which version?");
    if (decimal_parse_i64(str_of(in->version), out) < 0 || *out < 1)
        return err_set(e, ERR_USAGE, "\"%s\" is not the number of a version", in->version);
    return 0;
}

// Prints what a change was answered, for scripts, or a sentence. Takes the answer.
static int say(json_t *answer, err *e, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int say(json_t *answer, err *e, const char *format, ...)
{
    if (arguments_json())
        return print_json("rollout", answer ? answer : json_object()) ? err_set(e, ERR_IO, "standard output") : 0;
    json_decref(answer);
    if (arguments_quiet()) return 0;
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    return 0;
}

// ---- verbs

static int start(const remote *to, const rollout_input *in, err *e)
{
    static const char *const names[GUARDS_N] = {"error_permille", "latency_percent", "psi_permille", "requests_min",
                                                "window_s"};
    char path[PATH_SIZE];
    int64_t version;
    json_t *answer;
    TRY(path_of(in, "", path, e));
    TRY(version_of(in, &version, e));
    if (in->weight < 0) return err_set(e, ERR_USAGE, "how much of the traffic? --weight 50 is 50 of 1000 requests");
    json_t *limits = json_object();
    for (size_t i = 0; i < GUARDS_N; i++)
        if (in->guards[i] >= 0) json_object_set_new(limits, names[i], json_integer((json_int_t)in->guards[i]));
    json_t *body =
        json_pack("{s:I,s:I,s:o}", "canary", (json_int_t)version, "weight", (json_int_t)in->weight, "guards", limits);
    int rc = body ? ask(to, "PUT", path, body, &answer, e) : err_set(e, ERR_MEMORY, "no memory for a request");
    json_decref(body);
    if (rc < 0) return rc;
    return say(answer, e, "%s: version %" PRId64 " takes %" PRId64 " of 1000 requests\n", in->name, version,
               in->weight);
}

static int end(const remote *to, const rollout_input *in, const char *how, err *e)
{
    char path[PATH_SIZE];
    json_t *answer;
    TRY(path_of(in, how, path, e));
    if (in->version) return err_set(e, ERR_USAGE, "one word too many: \"%s\"", in->version);
    TRY(ask(to, "POST", path, NULL, &answer, e));
    int64_t primary = json_integer_value(json_object_get(answer, "primary"));
    return say(answer, e, "%s: version %" PRId64 " takes all requests\n", in->name, primary);
}

static int promote(const remote *to, const rollout_input *in, err *e)
{
    return end(to, in, "/promote", e);
}

static int roll_back(const remote *to, const rollout_input *in, err *e)
{
    return end(to, in, "/rollback", e);
}

static int shade(const remote *to, const rollout_input *in, err *e)
{
    char path[PATH_SIZE];
    int64_t version;
    json_t *answer;
    TRY(path_of(in, "/shadow", path, e));
    if (in->end) {
        if (in->version) return err_set(e, ERR_USAGE, "--end needs no version");
        TRY(ask(to, "DELETE", path, NULL, &answer, e));
        return say(answer, e, "%s: no more copies\n", in->name);
    }
    TRY(version_of(in, &version, e));
    int64_t share = in->share >= 0 ? in->share : WEIGHT_ALL;
    json_t *body = json_pack("{s:I,s:I}", "version", (json_int_t)version, "share", (json_int_t)share);
    int rc = body ? ask(to, "PUT", path, body, &answer, e) : err_set(e, ERR_MEMORY, "no memory for a request");
    json_decref(body);
    if (rc < 0) return rc;
    return say(answer, e, "%s: version %" PRId64 " is given copies of %" PRId64 " of 1000 requests\n", in->name,
               version, share);
}

// ---- status

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static int64_t whole_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

enum { COLUMNS_N = 7, ROWS_MAX = 4 };

static void put_row(char cells[COLUMNS_N][CELL_SIZE], const char *role, const json_t *v, int64_t share)
{
    char count[COUNT_TEXT_SIZE];
    snprintf(cells[0], CELL_SIZE, "%s", role);
    snprintf(cells[1], CELL_SIZE, "%" PRId64, whole_of(v, "version"));
    snprintf(cells[2], CELL_SIZE, "%" PRId64, share);
    snprintf(cells[3], CELL_SIZE, "%s", print_count(whole_of(v, "requests"), count));
    snprintf(cells[4], CELL_SIZE, "%s", print_count(whole_of(v, "failed"), count));
    snprintf(cells[5], CELL_SIZE, "%.1f us", json_number_value(json_object_get(v, "p95_us")));
    cells[6][0] = '\0';
    if (!json_is_true(json_object_get(v, "loaded")))
        snprintf(cells[6], CELL_SIZE, "not loaded");
    else if (text_of(v, "fault")[0])
        snprintf(cells[6], CELL_SIZE, "%.90s", text_of(v, "fault"));
    else if (json_is_real(json_object_get(v, "other_label")))
        snprintf(cells[6], CELL_SIZE, "%.2f%% other labels, scores differ by %.4f",
                 100 * json_real_value(json_object_get(v, "other_label")),
                 json_number_value(json_object_get(v, "difference")));
    else if (json_object_get(v, "difference"))
        snprintf(cells[6], CELL_SIZE, "values differ by %.6g", json_number_value(json_object_get(v, "difference")));
}

static void print_deployment(const json_t *d)
{
    static const char *const head[COLUMNS_N] = {"", "VERSION", "OF 1000", "REQUESTS", "FAILED", "P95", ""};
    char texts[ROWS_MAX][COLUMNS_N][CELL_SIZE];
    const char *cells[ROWS_MAX * COLUMNS_N];
    const json_t *now = json_object_get(d, "now"), *canary = json_object_get(d, "canary"),
                 *shadow = json_object_get(d, "shadow");
    int64_t weight = json_is_object(canary) ? whole_of(d, "weight") : 0;
    size_t n = 0;
    if (json_is_object(now)) put_row(texts[n++], "primary", now, WEIGHT_ALL - weight);
    if (json_is_object(canary)) put_row(texts[n++], "canary", canary, weight);
    if (json_is_object(shadow)) put_row(texts[n++], "shadow", shadow, whole_of(shadow, "share"));
    for (size_t k = 0; k < COLUMNS_N; k++) cells[k] = head[k];
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < COLUMNS_N; k++) cells[(i + 1) * COLUMNS_N + k] = texts[i][k];
    printf("%s\n", text_of(d, "model"));
    print_table(stdout, cells, n + 1, COLUMNS_N);
}

static void print_events(const json_t *events)
{
    size_t i;
    const json_t *one;
    json_array_foreach((json_t *)events, i, one)
    {
        if (i == EVENTS_SHOWN) return;
        bool of_shadow = json_object_get(one, "shadow");
        const char *broken = text_of(json_object_get(one, "detail"), "broken");
        printf("%s%s  %s  version %" PRId64 " beside %" PRId64 "%s%s\n", i == 0 ? "\n" : "", text_of(one, "at"),
               text_of(one, "event"), whole_of(one, of_shadow ? "shadow" : "canary"), whole_of(one, "primary"),
               broken[0] ? ": " : "", broken);
    }
}

static int status(const remote *to, const rollout_input *in, err *e)
{
    char path[PATH_SIZE] = "api/v1/deployments";
    json_t *answer;
    if (in->version) return err_set(e, ERR_USAGE, "one word too many: \"%s\"", in->version);
    if (in->name) TRY(path_of(in, "", path, e));
    TRY(ask(to, "GET", path, NULL, &answer, e));
    if (arguments_json()) return print_json("rollout", answer) ? err_set(e, ERR_IO, "standard output") : 0;
    size_t i;
    const json_t *one, *all = json_object_get(answer, "deployments");
    if (in->name) {
        print_deployment(answer);
        print_events(json_object_get(answer, "events"));
    } else {
        json_array_foreach((json_t *)all, i, one)
        {
            if (i > 0) printf("\n");
            print_deployment(one);
        }
        if (json_array_size(all) == 0) printf("nothing is deployed\n");
    }
    json_decref(answer);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const remote *to, const rollout_input *in, err *e);
} verbs[] = {{"start", start}, {"status", status}, {"promote", promote}, {"rollback", roll_back}, {"shadow", shade}};

static int act(const rollout_input *in, err *e)
{
    remote to;
    size_t i = 0;
    while (i < sizeof verbs / sizeof *verbs && strcmp(verbs[i].name, in->verb) != 0) i++;
    if (i == sizeof verbs / sizeof *verbs)
        return err_set(e, ERR_USAGE, "\"%s\" is none of start, status, promote, rollback, shadow", in->verb);
    if (in->server)
        TRY(remote_init(&to, in->server, in->key_file, in->ca, e));
    else
        remote_init_local(&to, settings_text(SETTING_DATA_DIR));
    return verbs[i].run(&to, in, e);
}

static int run(int argc, char **argv)
{
    rollout_input in = {.weight = -1, .share = -1};
    for (size_t i = 0; i < GUARDS_N; i++) in.guards[i] = -1;
    int exit_status = arguments_parse(&argp, argc, argv, &in);
    if (exit_status) return exit_status;
    err e = ERR_NONE;
    return act(&in, &e) < 0 ? print_failure("rollout", &e) : 0;
}

const command command_rollout = {"rollout", "canaries and shadows of a running server", &argp, run};
