// Option > SLIPWAY_* > --config FILE > default.
// SPDX-License-Identifier: Apache-2.0
#include "cmd/settings.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/files.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/nearest.h"

typedef struct setting_row {
    const char *name, *variable, *fallback;
    int64_t min, max;           // of a number; min > max: a text
    const char *const *choices; // of a text, or NULL: any
    const char *about;
} setting_row;

static const char *const log_forms[] = {"text", "json", NULL};
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const cpu_levels[] = {"auto", "plain", "avx2", "avx512", NULL};

static const char *const isolations[] = {"auto", "always", "never", NULL};
static const char *const yes_or_no[] = {"yes", "no", NULL};

static const setting_row rows[SETTINGS_N] = {
    [SETTING_DATA_DIR] = {"data-dir", "SLIPWAY_DATA_DIR", NULL, 1, 0, NULL, "folder of the registry"},
    [SETTING_HOST] = {"host", "SLIPWAY_HOST", "127.0.0.1", 1, 0, NULL, "address to serve on"},
    [SETTING_PORT] = {"port", "SLIPWAY_PORT", "8080", 0, 65535, NULL, "port to serve on; 0 is any free one"},
    [SETTING_PLAIN_HTTP] = {"plain-http", "SLIPWAY_PLAIN_HTTP", "no", 1, 0, yes_or_no,
                            "whether to serve beyond this machine without TLS: yes or no"},
    [SETTING_SANDBOX] = {"sandbox", "SLIPWAY_SANDBOX", "yes", 1, 0, yes_or_no,
                         "whether a server gives up the files and system calls that it does not need: yes or no"},
    [SETTING_ALLOWED_HOST] = {"allowed-host", "SLIPWAY_ALLOWED_HOST", "", 1, 0, NULL,
                              "names of the server in a Host header, a comma between"},
    [SETTING_CORS_ORIGIN] = {"cors-origin", "SLIPWAY_CORS_ORIGIN", "", 1, 0, NULL,
                             "origins whose pages may call, a comma between"},
    [SETTING_LOOPS] = {"loops", "SLIPWAY_LOOPS", "0", 0, 256, NULL, "event loops; 0 is one a processor"},
    [SETTING_THREADS] = {"threads", "SLIPWAY_THREADS", "0", 0, 256, NULL, "threads of training; 0 is one a processor"},
    [SETTING_LOG] = {"log", "SLIPWAY_LOG", "text", 1, 0, log_forms, "form of the log: text or json"},
    [SETTING_LOG_LEVEL] = {"log-level", "SLIPWAY_LOG_LEVEL", "info", 1, 0, log_levels, "least level that is logged"},
    [SETTING_CPU_LEVEL] = {"cpu-level", "SLIPWAY_CPU_LEVEL", "auto", 1, 0, cpu_levels, "instructions kernels may use"},
    [SETTING_ADMIN_LISTEN] = {"admin-listen", "SLIPWAY_ADMIN_LISTEN", "", 1, 0, NULL,
                              "host:port of everything but predicting, which the public port then has not"},
    [SETTING_TRUSTED_PROXY] = {"trusted-proxy", "SLIPWAY_TRUSTED_PROXY", "", 1, 0, NULL,
                               "addresses and networks whose X-Forwarded-* are believed, a comma between"},
    [SETTING_TLS_CERT] = {"tls-cert", "SLIPWAY_TLS_CERT", "", 1, 0, NULL,
                          "PEM file of the server's certificate and those above it; empty: no TLS"},
    [SETTING_TLS_KEY] = {"tls-key", "SLIPWAY_TLS_KEY", "", 1, 0, NULL, "PEM file of that certificate's key"},
    [SETTING_TLS_CLIENT_CA] = {"tls-client-ca", "SLIPWAY_TLS_CLIENT_CA", "", 1, 0, NULL,
                               "PEM file of those who sign the certificates that clients must show"},
    [SETTING_BODY_MAX] = {"body-max", "SLIPWAY_BODY_MAX", "16777216", 1, 1 << 30, NULL, "bytes of a request's body"},
    [SETTING_ROWS_MAX] = {"rows-max", "SLIPWAY_ROWS_MAX", "100000", 1, 100000000, NULL, "rows of a request"},
    [SETTING_CONNECTIONS_MAX] = {"connections-max", "SLIPWAY_CONNECTIONS_MAX", "10000", 1, 1000000, NULL,
                                 "open connections"},
    [SETTING_HEADER_MS] = {"header-ms", "SLIPWAY_HEADER_MS", "10000", 1, 3600000, NULL,
                           "milliseconds for a request's header to come"},
    [SETTING_BODY_MS] = {"body-ms", "SLIPWAY_BODY_MS", "60000", 1, 3600000, NULL,
                         "milliseconds for a request's body to come"},
    [SETTING_WRITE_MS] = {"write-ms", "SLIPWAY_WRITE_MS", "60000", 1, 3600000, NULL,
                          "milliseconds for an answer to be taken"},
    [SETTING_IDLE_MS] = {"idle-ms", "SLIPWAY_IDLE_MS", "75000", 1, 3600000, NULL,
                         "milliseconds a connection may say nothing between requests"},
    [SETTING_STOP_MS] = {"stop-ms", "SLIPWAY_STOP_MS", "30000", 0, 3600000, NULL,
                         "milliseconds a stop waits for requests under way"},
    [SETTING_ISOLATE] = {"isolate", "SLIPWAY_ISOLATE", "auto", 1, 0, isolations,
                         "versions in processes of their own: auto (all but row programs), always or never"},
    [SETTING_RUNNER_MEMORY] = {"runner-memory", "SLIPWAY_RUNNER_MEMORY", "4096", 0, 1 << 24, NULL,
                               "MiB that such a process may take beside its model's file; 0 is no limit"},
    [SETTING_RUNNER_MS] = {"runner-ms", "SLIPWAY_RUNNER_MS", "30000", 1, 3600000, NULL,
                           "milliseconds that it may take for a batch"},
    [SETTING_QUEUE_MS] = {"queue-ms", "SLIPWAY_QUEUE_MS", "1000", 1, 600000, NULL,
                          "milliseconds that a request may have to wait for its model; more is refused"},
    [SETTING_TRUSTED_KEYS] = {"trusted-keys", "SLIPWAY_TRUSTED_KEYS", "off", 1, 0, NULL,
                              "public keys: only versions that one of them has signed are served; a file, or off"},
    [SETTING_ACCESS_LOG] = {"access-log", "SLIPWAY_ACCESS_LOG", "off", 1, 0, NULL,
                            "a JSON line for each request: a file, - for standard output, or off"},
    [SETTING_DEFAULT_MODEL] = {"default-model", "SLIPWAY_DEFAULT_MODEL", "", 1, 0, NULL,
                               "model of requests that name none; empty: the only one deployed"},
    [SETTING_JOBS_MAX] = {"jobs-max", "SLIPWAY_JOBS_MAX", "1", 0, 64, NULL, "runs at once; 0 takes none"},
    [SETTING_JOBS_QUEUED] = {"jobs-queued", "SLIPWAY_JOBS_QUEUED", "100", 1, 100000, NULL, "runs that may wait"},
    [SETTING_JOB_MEMORY] = {"job-memory", "SLIPWAY_JOB_MEMORY", "4294967296", 1 << 20, (int64_t)1 << 46, NULL,
                            "bytes of memory of a run"},
    [SETTING_JOB_CPU_SECONDS] = {"job-cpu-seconds", "SLIPWAY_JOB_CPU_SECONDS", "14400", 0, 100000000, NULL,
                                 "seconds of processor time of a run; 0 is no limit"},
    [SETTING_JOB_MS] = {"job-ms", "SLIPWAY_JOB_MS", "3600000", 0, (int64_t)1 << 40, NULL,
                        "milliseconds that a run may take; 0 is no limit"},
    [SETTING_JOB_KEEP_DAYS] = {"job-keep-days", "SLIPWAY_JOB_KEEP_DAYS", "90", 0, 36500, NULL,
                               "days that a run and its files are kept after its end; 0 is for ever"},
    [SETTING_DATASET_MAX] = {"dataset-max", "SLIPWAY_DATASET_MAX", "1073741824", 1, (int64_t)1 << 46, NULL,
                             "bytes of an uploaded dataset, or model"},
    [SETTING_MODELS_MEMORY_MAX] = {"models-memory-max", "SLIPWAY_MODELS_MEMORY_MAX", "0", 0, INT64_MAX / 2, NULL,
                                   "bytes of all loaded versions; 0 is half of what is available"},
    [SETTING_DRIFT_WINDOW] = {"drift-window", "SLIPWAY_DRIFT_WINDOW", "3600", 10, 2592000, NULL,
                              "seconds that drift looks back, at least; at most twice as many"},
};

enum { LIST_SIZE = 2048 };

static struct {
    const char *options[SETTINGS_N]; // borrowed from argv
    const char *path;
    const char *values[SETTINGS_N];
    char *of_file[SETTINGS_N]; // owned as long as the process
    char lists[SETTINGS_N][LIST_SIZE];
    bool too_long[SETTINGS_N];
    setting_source sources[SETTINGS_N];
    int64_t integers[SETTINGS_N];
} state;

const char *setting_name(setting s)
{
    return rows[s].name;
}

const char *setting_variable(setting s)
{
    return rows[s].variable;
}

const char *setting_about(setting s)
{
    return rows[s].about;
}

const char *setting_source_name(setting_source s)
{
    static const char *const names[] = {"default", "file", "environment", "option"};
    return names[s];
}

void settings_set(setting s, const char *value)
{
    state.options[s] = value;
}

void settings_add(setting s, const char *value)
{
    char *list = state.lists[s];
    size_t len = strlen(list);
    int n = snprintf(list + len, LIST_SIZE - len, len ? ",%s" : "%s", value);
    if (n < 0 || (size_t)n >= LIST_SIZE - len) state.too_long[s] = true;
    state.options[s] = list;
}

bool settings_yes(setting s)
{
    return strcmp(state.values[s], "yes") == 0;
}

void settings_file(const char *path)
{
    state.path = path;
}

const char *settings_text(setting s)
{
    return state.values[s];
}

setting_source settings_source(setting s)
{
    return state.sources[s];
}

int64_t settings_integer(setting s)
{
    return state.integers[s];
}

static bool is_number(const setting_row *row)
{
    return row->min <= row->max;
}

static int check(setting s, err *e)
{
    const setting_row *row = &rows[s];
    const char *value = state.values[s];
    const char *from = state.sources[s] == SOURCE_ENVIRONMENT ? row->variable : row->name;
    int code = state.sources[s] == SOURCE_OPTION ? ERR_USAGE : ERR_INPUT;
    if (is_number(row)) {
        int64_t n;
        if (decimal_parse_i64(str_of(value), &n) < 0 || n < row->min || n > row->max)
            return err_set(e, code, "%s: \"%s\" is not a whole number from %lld to %lld", from, value,
                           (long long)row->min, (long long)row->max);
        state.integers[s] = n;
        return 0;
    }
    if (state.too_long[s]) return err_set(e, code, "%s: the list is longer than %d bytes", from, LIST_SIZE - 1);
    if (row->fallback && row->fallback[0] == '\0') return 0; // may be empty
    if (value[0] == '\0') return err_set(e, code, "%s is empty", from);
    if (!row->choices) return 0;
    size_t n = 0;
    for (; row->choices[n]; n++)
        if (strcmp(row->choices[n], value) == 0) return 0;
    char list[120] = "";
    for (size_t i = 0; i < n; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", row->choices[i]);
    return err_set(e, code, "%s: \"%s\" is none of %s", from, value, list);
}

enum { FILE_MAX = 1 << 20 };

// The file is one JSON object whose keys are the settings' names.
static int read_settings_file(err *e)
{
    buf text;
    int rc = file_read(state.path, FILE_MAX, &text, e);
    if (rc < 0) return rc;
    json_t *j = NULL;
    rc = json_parse(&j, buf_str(&text), e);
    if (rc == 0 && !json_is_object(j)) rc = err_set(e, ERR_FORMAT, "not a JSON object");
    const char *key;
    json_t *value;
    if (rc == 0) json_object_foreach(j, key, value)
        {
            int s = 0;
            while (s < SETTINGS_N && strcmp(rows[s].name, key) != 0) s++;
            if (s == SETTINGS_N) {
                const char *names[SETTINGS_N];
                for (int i = 0; i < SETTINGS_N; i++) names[i] = rows[i].name;
                const char *near = nearest_name(key, names, SETTINGS_N);
                rc = err_set(e, ERR_INPUT, "no setting is called \"%s\"%s%s%s", key, near ? "; did you mean \"" : "",
                             near ? near : "", near ? "\"?" : "");
                break;
            }
            char number[32];
            const char *as_text = json_string_value(value);
            if (json_is_integer(value)) {
                snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
                as_text = number;
            }
            if (!as_text) {
                rc = err_set(e, ERR_INPUT, "\"%s\" is neither a text nor a whole number", key);
                break;
            }
            char *copy = mem_strdup(as_text);
            if (!copy) {
                rc = err_set(e, ERR_MEMORY, "no memory for the settings");
                break;
            }
            state.values[s] = state.of_file[s] = copy;
            state.sources[s] = SOURCE_FILE;
        }
    json_decref(j);
    buf_clear(&text);
    return rc < 0 ? err_prefix(e, rc, "%s", state.path) : 0;
}

// $XDG_DATA_HOME/slipway, ~/.local/share/slipway, or /var/lib/slipway for root.
static int default_data_dir(const char **out, err *e)
{
    const char *base = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    char *path;
    if (base && base[0] == '/')
        path = path_join(base, "slipway");
    else if (geteuid() == 0 || !home || home[0] != '/')
        path = mem_strdup("/var/lib/slipway");
    else
        path = path_join(home, ".local/share/slipway");
    if (!path) return err_set(e, ERR_MEMORY, "no memory for the settings");
    *out = path;
    return 0;
}

int settings_load(err *e)
{
    for (int s = 0; s < SETTINGS_N; s++)
        if (rows[s].fallback) state.values[s] = rows[s].fallback;
    if (state.path) TRY(read_settings_file(e));
    for (int s = 0; s < SETTINGS_N; s++) {
        const char *variable = getenv(rows[s].variable);
        if (variable && variable[0]) {
            state.values[s] = variable;
            state.sources[s] = SOURCE_ENVIRONMENT;
        }
        if (state.options[s]) {
            state.values[s] = state.options[s];
            state.sources[s] = SOURCE_OPTION;
        }
        if (!state.values[s]) TRY(default_data_dir(&state.values[s], e)); // the one without a fixed default
        TRY(check(s, e));
    }
    return 0;
}
