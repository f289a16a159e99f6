// Shared options.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cmd/arguments.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/files.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/settings.h"
#include "math/cpu.h"
#include "registry/audit.h"

static bool as_json, quiet;

bool arguments_json(void)
{
    return as_json;
}

bool arguments_quiet(void)
{
    return quiet || as_json;
}

void arguments_fail(struct argp_state *state, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    argp_error(state, "%s", text);
}

// ---- general

enum { KEY_JSON = KEYS_GENERAL, KEY_LOG, KEY_LOG_LEVEL, KEY_CPU_LEVEL, KEY_CONFIG, KEY_DATA_DIR, KEY_THREADS };

static const struct argp_option general_options[] = {
    {0, 0, 0, 0, "Everywhere:", 90},
    {"data-dir", KEY_DATA_DIR, "DIR", 0, "Folder of the registry", 90},
    {"config", KEY_CONFIG, "FILE", 0, "Read settings from a JSON file", 90},
    {"threads", KEY_THREADS, "N", 0, "Threads to compute with; the results do not depend on it", 90},
    {"json", KEY_JSON, 0, 0, "Print one JSON document, for scripts", 90},
    {"quiet", 'q', 0, 0, "Print the result alone", 90},
    {"log", KEY_LOG, "text|json", 0, "Form of the log", 90},
    {"log-level", KEY_LOG_LEVEL, "LEVEL", 0, "debug, info, warn or error", 90},
    {"cpu-level", KEY_CPU_LEVEL, "LEVEL", 0, "auto, plain, avx2 or avx512", 90},
    {0},
};

static error_t parse_general(int key, char *value, struct argp_state *state)
{
    (void)state;
    switch (key) {
    case KEY_DATA_DIR: settings_set(SETTING_DATA_DIR, value); return 0;
    case KEY_CONFIG: settings_file(value); return 0;
    case KEY_THREADS: settings_set(SETTING_THREADS, value); return 0;
    case KEY_JSON: as_json = true; return 0;
    case 'q': quiet = true; return 0;
    case KEY_LOG: settings_set(SETTING_LOG, value); return 0;
    case KEY_LOG_LEVEL: settings_set(SETTING_LOG_LEVEL, value); return 0;
    case KEY_CPU_LEVEL: settings_set(SETTING_CPU_LEVEL, value); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp arguments_general = {.options = general_options, .parser = parse_general};

// ---- serve

enum {
    KEY_HOST = KEYS_SERVE,
    KEY_PORT,
    KEY_LOOPS,
    KEY_BODY_MAX,
    KEY_ROWS_MAX,
    KEY_CONNECTIONS_MAX,
    KEY_ADMIN_LISTEN,
    KEY_TRUSTED_PROXY,
    KEY_ISOLATE,
    KEY_RUNNER_MEMORY,
    KEY_RUNNER_MS,
    KEY_QUEUE_MS,
    KEY_ACCESS_LOG,
    KEY_TRUSTED_KEYS,
    KEY_DEFAULT_MODEL,
    KEY_TLS_CERT,
    KEY_TLS_KEY,
    KEY_TLS_CLIENT_CA,
    KEY_JOBS_MAX,
    KEY_DATASET_MAX,
    KEY_PLAIN_HTTP,
    KEY_ALLOWED_HOST,
    KEY_CORS_ORIGIN,
    KEY_MODELS_MEMORY_MAX,
    KEY_DRIFT_WINDOW,
};

static const struct argp_option serve_options[] = {
    {0, 0, 0, 0, "Serving:", 50},
    {"host", KEY_HOST, "ADDRESS", 0, "Address to serve on (default 127.0.0.1: this machine only)", 50},
    {"port", KEY_PORT, "N", 0, "Port to serve on (default 8080; 0 is any free one)", 50},
    {"admin-listen", KEY_ADMIN_LISTEN, "HOST:PORT", 0,
     "Take what is not predicting off the public port, and serve all of it here", 50},
    {"trusted-proxy", KEY_TRUSTED_PROXY, "NETWORK", 0,
     "Believe X-Forwarded-For and -Proto from this address or network (10.0.0.0/8); may be repeated", 50},
    {"tls-cert", KEY_TLS_CERT, "FILE", 0,
     "Serve https with this certificate (PEM, those above it behind it); taken again when the file changes", 50},
    {"tls-key", KEY_TLS_KEY, "FILE", 0, "Its key (PEM, without a password)", 50},
    {"tls-client-ca", KEY_TLS_CLIENT_CA, "FILE", 0,
     "Take only clients with a certificate that one of these authorities signed", 50},
    {"plain-http", KEY_PLAIN_HTTP, 0, 0, "Serve beyond this machine without TLS, for example behind a proxy", 50},
    {"allowed-host", KEY_ALLOWED_HOST, "NAME", 0,
     "A name that clients call the server by, besides localhost and addresses; may be repeated", 50},
    {"cors-origin", KEY_CORS_ORIGIN, "ORIGIN", 0,
     "Let web pages of this origin (https://app.example.org) call the server; may be repeated", 50},
    {"loops", KEY_LOOPS, "N", 0, "Event loops (default: one a processor)", 50},
    {"default-model", KEY_DEFAULT_MODEL, "NAME", 0,
     "Model of requests that name none, as POST /invocations (default: the only one deployed)", 50},
    {"body-max", KEY_BODY_MAX, "BYTES", 0, "Largest request body (default 16 MiB)", 50},
    {"rows-max", KEY_ROWS_MAX, "N", 0, "Most rows of one request (default 100000)", 50},
    {"connections-max", KEY_CONNECTIONS_MAX, "N", 0, "Most open connections (default 10000)", 50},
    {"isolate", KEY_ISOLATE, "auto|always|never", 0,
     "Run versions in processes of their own (default auto: all that are not made of columns and trees alone)", 50},
    {"runner-memory", KEY_RUNNER_MEMORY, "MIB", 0, "Memory of such a process beside its model's file (default 4096)",
     50},
    {"runner-ms", KEY_RUNNER_MS, "N", 0, "How long it may take for a batch, in ms (default 30000)", 50},
    {"queue-ms", KEY_QUEUE_MS, "N", 0, "Refuse requests that would wait longer for their model (default 1000)", 50},
    {"trusted-keys", KEY_TRUSTED_KEYS, "FILE", 0, "Serve only what one of these public keys has signed", 50},
    {"access-log", KEY_ACCESS_LOG, "FILE", 0, "A JSON line for each request; - is standard output", 50},
    {"jobs-max", KEY_JOBS_MAX, "N", 0, "Runs at once that clients ask for (default 1; 0 takes none)", 50},
    {"dataset-max", KEY_DATASET_MAX, "BYTES", 0, "Largest dataset or model that may be uploaded (default 1 GiB)", 50},
    {"models-memory-max", KEY_MODELS_MEMORY_MAX, "BYTES", 0,
     "Memory of all loaded versions (default: half of what is available)", 50},
    {"drift-window", KEY_DRIFT_WINDOW, "SECONDS", 0, "How far drift looks back, at least (default 3600)", 50},
    {0},
};

static error_t parse_serve(int key, char *value, struct argp_state *state)
{
    (void)state;
    switch (key) {
    case KEY_HOST: settings_set(SETTING_HOST, value); return 0;
    case KEY_TRUSTED_KEYS: settings_set(SETTING_TRUSTED_KEYS, value); return 0;
    case KEY_ACCESS_LOG: settings_set(SETTING_ACCESS_LOG, value); return 0;
    case KEY_PORT: settings_set(SETTING_PORT, value); return 0;
    case KEY_ADMIN_LISTEN: settings_set(SETTING_ADMIN_LISTEN, value); return 0;
    case KEY_TRUSTED_PROXY: settings_add(SETTING_TRUSTED_PROXY, value); return 0;
    case KEY_TLS_CERT: settings_set(SETTING_TLS_CERT, value); return 0;
    case KEY_TLS_KEY: settings_set(SETTING_TLS_KEY, value); return 0;
    case KEY_TLS_CLIENT_CA: settings_set(SETTING_TLS_CLIENT_CA, value); return 0;
    case KEY_PLAIN_HTTP: settings_set(SETTING_PLAIN_HTTP, "yes"); return 0;
    case KEY_ALLOWED_HOST: settings_add(SETTING_ALLOWED_HOST, value); return 0;
    case KEY_CORS_ORIGIN: settings_add(SETTING_CORS_ORIGIN, value); return 0;
    case KEY_LOOPS: settings_set(SETTING_LOOPS, value); return 0;
    case KEY_DEFAULT_MODEL: settings_set(SETTING_DEFAULT_MODEL, value); return 0;
    case KEY_BODY_MAX: settings_set(SETTING_BODY_MAX, value); return 0;
    case KEY_ROWS_MAX: settings_set(SETTING_ROWS_MAX, value); return 0;
    case KEY_CONNECTIONS_MAX: settings_set(SETTING_CONNECTIONS_MAX, value); return 0;
    case KEY_ISOLATE: settings_set(SETTING_ISOLATE, value); return 0;
    case KEY_RUNNER_MEMORY: settings_set(SETTING_RUNNER_MEMORY, value); return 0;
    case KEY_RUNNER_MS: settings_set(SETTING_RUNNER_MS, value); return 0;
    case KEY_QUEUE_MS: settings_set(SETTING_QUEUE_MS, value); return 0;
    case KEY_JOBS_MAX: settings_set(SETTING_JOBS_MAX, value); return 0;
    case KEY_DATASET_MAX: settings_set(SETTING_DATASET_MAX, value); return 0;
    case KEY_MODELS_MEMORY_MAX: settings_set(SETTING_MODELS_MEMORY_MAX, value); return 0;
    case KEY_DRIFT_WINDOW: settings_set(SETTING_DRIFT_WINDOW, value); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp arguments_serve = {.options = serve_options, .parser = parse_serve};

// ---- lists and numbers

// Cuts "a,b,c" in place and appends the parts.
static void add_list(struct argp_state *state, const char *option, char *value, const char **list, size_t *n)
{
    for (char *part; (part = strsep(&value, ","));) {
        if (!*part) arguments_fail(state, "--%s: an empty name in the list", option);
        if (*n == LIST_MAX) arguments_fail(state, "--%s: more than %d names", option, LIST_MAX);
        list[(*n)++] = part;
    }
}

static int64_t to_integer(struct argp_state *state, const char *option, const char *value, int64_t min, int64_t max)
{
    int64_t n = 0;
    if (decimal_parse_i64(str_of(value), &n) < 0 || n < min || n > max)
        arguments_fail(state, "--%s: \"%s\" is not a whole number from %lld to %lld", option, value, (long long)min,
                       (long long)max);
    return n;
}

static double to_real(struct argp_state *state, const char *option, const char *value)
{
    double number = 0;
    if (decimal_parse_f64(str_of(value), &number) < 0)
        arguments_fail(state, "--%s: \"%s\" is not a number", option, value);
    return number;
}

static int to_choice(struct argp_state *state, const char *option, const char *value, const char *const *choices)
{
    for (int i = 0; choices[i]; i++)
        if (strcmp(choices[i], value) == 0) return i;
    char list[200] = "";
    for (int i = 0; choices[i]; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", choices[i]);
    arguments_fail(state, "--%s: \"%s\" is none of %s", option, value, list);
    return 0;
}

// ---- reading

enum { KEY_FORMAT = KEYS_READ, KEY_DELIMITER, KEY_HEADER, KEY_MISSING, KEY_TYPE, KEY_MEMORY_MAX };

static const struct argp_option read_options_rows[] = {
    {0, 0, 0, 0, "Reading the file:", 10},
    {"format", KEY_FORMAT, "csv|jsonl", 0, "Format of the file (default: seen from its content and name)", 10},
    {"delimiter", KEY_DELIMITER, "CHAR", 0, "Delimiter of CSV, \"tab\" for a tab (default: found by itself)", 10},
    {"header", KEY_HEADER, "yes|no", 0, "Whether the first row names the columns (default: found by itself)", 10},
    {"missing", KEY_MISSING, "TEXT,...", 0, "Texts that mean a missing value, instead of NA, null, ? and the like", 10},
    {"type", KEY_TYPE, "COLUMN=TYPE", 0,
     "Type of a column: integer, real, boolean, category, datetime, text or identifier; may be repeated", 10},
    {"memory-max", KEY_MEMORY_MAX, "MB", 0, "Memory for reading the file (default 16384)", 10},
    {0},
};

static void add_type(struct argp_state *state, arguments *a, char *value)
{
    char *equals = strrchr(value, '=');
    column_type type;
    if (!equals) arguments_fail(state, "--type: \"%s\" is not COLUMN=TYPE", value);
    if (column_type_find(equals + 1, &type) < 0)
        arguments_fail(state, "--type: \"%s\" is none of integer, real, boolean, category, datetime, text, identifier",
                       equals + 1);
    if (a->training.read.n_types == LIST_MAX) arguments_fail(state, "--type: more than %d columns", LIST_MAX);
    *equals = '\0';
    a->types[a->training.read.n_types++] = (type_override){.column = value, .type = type};
    a->training.read.types = a->types;
}

static error_t parse_read(int key, char *value, struct argp_state *state)
{
    static const char *const formats[] = {"auto", "csv", "jsonl", NULL};
    static const char *const headers[] = {"auto", "yes", "no", NULL};
    arguments *a = state->input;
    read_options *o = a ? &a->training.read : NULL;
    switch (key) {
    case KEY_FORMAT: o->format = (file_format)to_choice(state, "format", value, formats); return 0;
    case KEY_HEADER: o->header = (header_mode)to_choice(state, "header", value, headers); return 0;
    case KEY_DELIMITER:
        if (strcmp(value, "tab") == 0 || strcmp(value, "\\t") == 0)
            o->delimiter = '\t';
        else if (strlen(value) == 1 && !strchr("\"\r\n", value[0]))
            o->delimiter = value[0];
        else
            arguments_fail(state, "--delimiter: \"%s\" is not one character", value);
        return 0;
    case KEY_MISSING:
        add_list(state, "missing", value, a->missing, &o->n_missing);
        o->missing = a->missing;
        return 0;
    case KEY_TYPE: add_type(state, a, value); return 0;
    case KEY_MEMORY_MAX: o->memory_max = (size_t)to_integer(state, "memory-max", value, 1, 1 << 24) << 20; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp arguments_read = {.options = read_options_rows, .parser = parse_read};

// ---- preparing

enum {
    KEY_COLUMNS = KEYS_PREPARE,
    KEY_DROP,
    KEY_DROP_MISSING,
    KEY_IMPUTE,
    KEY_IMPUTE_TEXT,
    KEY_CONSTANT,
    KEY_INDICATOR,
    KEY_SCALE,
    KEY_DDOF,
    KEY_ENCODE,
    KEY_ONE_HOT_MAX,
};

static const struct argp_option prepare_options_rows[] = {
    {0, 0, 0, 0, "Preparing columns:", 20},
    {"columns", KEY_COLUMNS, "NAME,...", 0, "Use these columns (default: all that can be learned from)", 20},
    {"drop", KEY_DROP, "NAME,...", 0, "Leave these columns out", 20},
    {"drop-missing", KEY_DROP_MISSING, 0, 0, "Drop rows with a missing value in a used column", 20},
    {"impute", KEY_IMPUTE, "HOW", 0, "Missing numbers: mean, median (default), mode, constant or none", 20},
    {"impute-text", KEY_IMPUTE_TEXT, "HOW", 0,
     "Missing categories: mode, constant or none (default: missing is a category of its own)", 20},
    {"constant", KEY_CONSTANT, "VALUE", 0, "What \"constant\" puts there (default 0, and \"missing\" for categories)",
     20},
    {"indicator", KEY_INDICATOR, 0, 0, "Add a feature that says whether the value was missing", 20},
    {"scale", KEY_SCALE, "HOW", 0, "Numbers: standard ((x-mean)/std), minmax or none (default)", 20},
    {"ddof", KEY_DDOF, "0|1", 0, "Divide the variance by n (0, default) or n-1 (1)", 20},
    {"encode", KEY_ENCODE, "HOW", 0, "Categories: one-hot (default) or ordinal", 20},
    {"one-hot-max", KEY_ONE_HOT_MAX, "N", 0, "A column with more categories is encoded as ordinal (default 64)", 20},
    {0},
};

static void set_constant(prepare_options *o, const char *value)
{
    double number;
    o->constant_text = value;
    if (decimal_parse_f64(str_of(value), &number) == 0) o->constant_number = number;
}

static error_t parse_prepare(int key, char *value, struct argp_state *state)
{
    static const char *const imputes[] = {"none", "mean", "median", "mode", "constant", NULL};
    static const char *const scales[] = {"none", "standard", "minmax", NULL};
    static const char *const encodes[] = {"one-hot", "ordinal", NULL};
    arguments *a = state->input;
    prepare_options *o = a ? &a->training.prepare : NULL;
    bool known = true;
    switch (key) {
    case KEY_COLUMNS:
        add_list(state, "columns", value, a->columns, &o->n_columns);
        o->columns = a->columns;
        break;
    case KEY_DROP:
        add_list(state, "drop", value, a->dropped, &o->n_dropped);
        o->dropped = a->dropped;
        break;
    case KEY_DROP_MISSING: a->training.drop_incomplete = true; break;
    case KEY_IMPUTE: o->impute_number = (impute_kind)to_choice(state, "impute", value, imputes); break;
    case KEY_IMPUTE_TEXT: o->impute_text = (impute_kind)to_choice(state, "impute-text", value, imputes); break;
    case KEY_CONSTANT: set_constant(o, value); break;
    case KEY_INDICATOR: o->indicator = true; break;
    case KEY_SCALE: o->scale = (scale_kind)to_choice(state, "scale", value, scales); break;
    case KEY_DDOF: o->ddof = (int)to_integer(state, "ddof", value, 0, 1); break;
    case KEY_ENCODE: o->encode = (encode_kind)to_choice(state, "encode", value, encodes); break;
    case KEY_ONE_HOT_MAX: o->one_hot_max = (size_t)to_integer(state, "one-hot-max", value, 1, 65536); break;
    case ARGP_KEY_END: {
        const char *fault = prepare_options_fault(o);
        if (fault) arguments_fail(state, "%s", fault);
        return 0;
    }
    default: known = false;
    }
    if (!known) return ARGP_ERR_UNKNOWN;
    a->training.prepare_given = true;
    return 0;
}

const struct argp arguments_prepare = {.options = prepare_options_rows, .parser = parse_prepare};

// ---- splitting

enum { KEY_SPLIT = KEYS_SPLIT, KEY_SPLIT_COLUMN, KEY_TEST_SHARE, KEY_SEED };

static const struct argp_option split_options_rows[] = {
    {0, 0, 0, 0, "Keeping rows unseen:", 30},
    {"split", KEY_SPLIT, "HOW", 0,
     "random, stratified (default), group, time, or numpy (the rows of scikit-learn's train_test_split)", 30},
    {"split-column", KEY_SPLIT_COLUMN, "NAME", 0, "Column of the groups or times", 30},
    {"test-share", KEY_TEST_SHARE, "SHARE", 0, "Share of the rows that training never sees (default 0.2)", 30},
    {"seed", KEY_SEED, "N", 0, "Seed of everything that is drawn (default 42)", 30},
    {0},
};

static error_t parse_split(int key, char *value, struct argp_state *state)
{
    static const char *const kinds[] = {"random", "stratified", "group", "time", "numpy", NULL};
    arguments *a = state->input;
    split_options *o = a ? &a->training.split : NULL;
    switch (key) {
    case KEY_SPLIT: o->kind = (split_kind)to_choice(state, "split", value, kinds); return 0;
    case KEY_SPLIT_COLUMN: o->column = value; return 0;
    case KEY_TEST_SHARE: o->test_share = to_real(state, "test-share", value); return 0;
    case KEY_SEED: a->training.seed = o->seed = (uint64_t)to_integer(state, "seed", value, 0, INT64_MAX); return 0;
    case ARGP_KEY_END: {
        const char *fault = split_options_fault(o);
        if (fault) arguments_fail(state, "%s", fault);
        return 0;
    }
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp arguments_split = {.options = split_options_rows, .parser = parse_split};

// ---- training

enum { KEY_RECIPE = KEYS_TRAIN, KEY_MODEL, KEY_CV };

static const struct argp_option train_options_rows[] = {
    {0, 0, 0, 0, "Training:", 40},
    {"target", 't', "COLUMN", 0, "Column to predict (without it, likely ones are listed)", 40},
    {"recipe", KEY_RECIPE, "NAME", 0,
     "tabular-classification or tabular-regression (default: the one that fits the target)", 40},
    {"model", KEY_MODEL, "FAMILY", 0, "Family of models: forest", 40},
    {"set", 's', "NAME=VALUE", 0,
     "Option of the family (n_trees=200, depth_max=5, ...); may be repeated; \"--set help\" lists them", 40},
    {"cv", KEY_CV, "FOLDS", 0, "Cross-validate the configuration over all rows too", 40},
    {0},
};

// What --set takes: the options of every family with ranges and defaults.
static void print_family_options(void)
{
    size_t n_families;
    const family_row *const *families = family_rows(&n_families);
    for (size_t f = 0; f < n_families; f++) {
        printf("%s%s: %s\n", f ? "\n" : "", families[f]->name, families[f]->about);
        for (size_t i = 0; i < families[f]->n_options; i++) {
            char range[OPTION_RANGE_SIZE];
            const option_row *o = &families[f]->options[i];
            printf("  %-22s %s\n  %-22s (%s)\n", o->name, o->help, "", option_range(o, range));
        }
    }
}

static error_t parse_train(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    training_options *o = a ? &a->training : NULL;
    switch (key) {
    case 't': o->target = value; return 0;
    case KEY_RECIPE: o->recipe = value; return 0;
    case KEY_MODEL: o->family = value; return 0;
    case 's':
        if (strcmp(value, "help") == 0) {
            print_family_options();
            exit(0); // as --help does
        }
        if (o->n_settings == LIST_MAX) arguments_fail(state, "--set: more than %d options", LIST_MAX);
        a->settings[o->n_settings++] = value;
        o->settings = a->settings;
        return 0;
    case KEY_CV: o->folds = (size_t)to_integer(state, "cv", value, 2, 100); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp arguments_train = {.options = train_options_rows, .parser = parse_train};

const char *option_range(const option_row *o, char text[OPTION_RANGE_SIZE])
{
    switch (o->kind) {
    case OPTION_CHOICE: {
        size_t at = 0;
        for (size_t i = 0; o->choices[i] && at < OPTION_RANGE_SIZE; i++)
            at += (size_t)snprintf(text + at, OPTION_RANGE_SIZE - at, "%s%s", i ? ", " : "", o->choices[i]);
        if (at < OPTION_RANGE_SIZE)
            snprintf(text + at, OPTION_RANGE_SIZE - at, "; default %s", o->choices[(size_t)o->fallback]);
        break;
    }
    case OPTION_BOOLEAN:
        snprintf(text, OPTION_RANGE_SIZE, "true or false; default %s", o->fallback != 0 ? "true" : "false");
        break;
    case OPTION_INTEGER:
        if (o->max >= INT32_MAX)
            snprintf(text, OPTION_RANGE_SIZE, "from %g; default %g", o->min, o->fallback);
        else
            snprintf(text, OPTION_RANGE_SIZE, "%g to %g; default %g", o->min, o->max, o->fallback);
        break;
    default:
        if (o->max >= 1e300)
            snprintf(text, OPTION_RANGE_SIZE, "from %g; default %g", o->min, o->fallback);
        else
            snprintf(text, OPTION_RANGE_SIZE, "%g to %g; default %g", o->min, o->max, o->fallback);
    }
    return text;
}

// ---- after parsing

static log_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++)
        if (strcmp(names[i], name) == 0) return (log_level)i;
    return LOG_INFO;
}

int arguments_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    argp_err_exit_status = 2;
    error_t failed = argp_parse(argp, argc, argv, 0, NULL, input);
    err e = ERR_NONE;
    int rc = failed ? err_set(&e, ERR_USAGE, "%s", strerror(failed)) : settings_load(&e);
    if (rc == 0) {
        log_init(level_of(settings_text(SETTING_LOG_LEVEL)),
                 strcmp(settings_text(SETTING_LOG), "json") == 0 ? LOG_JSON : LOG_TEXT);
        const char *level = settings_text(SETTING_CPU_LEVEL);
        if (strcmp(level, "auto") != 0) rc = cpu_level_pin(level, &e);
    }
    if (rc == 0) return 0;
    const char *space = strchr(argv[0], ' ');
    return print_failure(space ? space + 1 : argv[0], &e);
}

void arguments_share(struct argp_state *state, size_t n, arguments *a)
{
    for (size_t i = 0; i < n; i++) state->child_inputs[i] = a;
}

error_t arguments_data(struct argp_state *state, int key, char *value, arguments *a)
{
    if (key == ARGP_KEY_NO_ARGS) arguments_fail(state, "which data file?");
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    if (a->training.path) arguments_fail(state, "one data file, not two: \"%s\"", value);
    a->training.path = value;
    return 0;
}

error_t arguments_model_and_data(struct argp_state *state, int key, char *value, const char **reference, arguments *a)
{
    if (key == ARGP_KEY_END && !a->training.path) arguments_fail(state, "which model, and which data file?");
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    if (state->arg_num == 0)
        *reference = value;
    else if (state->arg_num == 1)
        a->training.path = value;
    else
        arguments_fail(state, "a model and a data file, not more: \"%s\"", value);
    return 0;
}

int arguments_run(const char *name, int (*work)(const void *input, pool *p, err *e), const void *input)
{
    err e = ERR_NONE;
    pool *p = NULL;
    int rc = pool_new(&p, (size_t)settings_integer(SETTING_THREADS), &e);
    if (rc == 0) rc = work(input, p, &e);
    pool_free(p);
    return rc < 0 ? print_failure(name, &e) : 0;
}

int arguments_registry(registry **out, bool read_only, err *e)
{
    registry_options o = {.read_only = read_only};
    TRY(registry_open(out, settings_text(SETTING_DATA_DIR), &o, e));
    char actor[AUDIT_TEXT_MAX + 1];
    snprintf(actor, sizeof actor, "cli:%u", (unsigned)geteuid());
    registry_act_as(*out, actor);
    return 0;
}

int model_name_of_path(char **out, const char *path, err *e)
{
    char *name = path_stem(path);
    if (!name) return err_set(e, ERR_MEMORY, "no memory for a name");
    char *to = name;
    for (const char *from = name; *from && to - name < MODEL_PLAIN_MAX; from++) {
        unsigned char c = (unsigned char)*from;
        bool fits = isalnum(c) || c == '-' || c == '_' || c == '.';
        if (fits && (to > name || isalnum(c)))
            *to++ = (char)c;
        else if (!fits && to > name && to[-1] != '-')
            *to++ = '-';
    }
    while (to > name && to[-1] == '-') to--;
    *to = '\0';
    if (!*name) {
        mem_free(name);
        return err_set(e, ERR_USAGE, "no name for the model in \"%s\": give one with --name", path);
    }
    *out = name;
    return 0;
}
