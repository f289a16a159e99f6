// Settings: what the command line, the environment and a file may say, and which of them wins.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_SETTINGS_H
#define SLIPWAY_CMD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum setting {
    SETTING_DATA_DIR,
    SETTING_HOST,
    SETTING_PORT,
    SETTING_PLAIN_HTTP,
    SETTING_SANDBOX,
    SETTING_ALLOWED_HOST,
    SETTING_CORS_ORIGIN,
    SETTING_LOOPS,
    SETTING_THREADS,
    SETTING_LOG,
    SETTING_LOG_LEVEL,
    SETTING_CPU_LEVEL,
    SETTING_ADMIN_LISTEN,
    SETTING_TRUSTED_PROXY,
    SETTING_TLS_CERT,
    SETTING_TLS_KEY,
    SETTING_TLS_CLIENT_CA,
    SETTING_BODY_MAX,
    SETTING_ROWS_MAX,
    SETTING_CONNECTIONS_MAX,
    SETTING_HEADER_MS,
    SETTING_BODY_MS,
    SETTING_WRITE_MS,
    SETTING_IDLE_MS,
    SETTING_STOP_MS,
    SETTING_ISOLATE,
    SETTING_RUNNER_MEMORY,
    SETTING_RUNNER_MS,
    SETTING_QUEUE_MS,
    SETTING_ACCESS_LOG,
    SETTING_TRUSTED_KEYS,
    SETTING_DEFAULT_MODEL,
    SETTING_JOBS_MAX,
    SETTING_JOBS_QUEUED,
    SETTING_JOB_MEMORY,
    SETTING_JOB_CPU_SECONDS,
    SETTING_JOB_MS,
    SETTING_JOB_KEEP_DAYS,
    SETTING_DATASET_MAX,
    SETTING_MODELS_MEMORY_MAX,
    SETTING_DRIFT_WINDOW,
    SETTINGS_N,
} setting;

typedef enum setting_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_OPTION } setting_source;

// One process, one set of settings; filled by main's thread while it parses the command line.
const char *setting_name(setting s);     // "data-dir": the option's name; the file's key
const char *setting_variable(setting s); // "SLIPWAY_DATA_DIR"
const char *setting_about(setting s);
const char *setting_source_name(setting_source s);

void settings_set(setting s, const char *value); // from an option; borrows the text for good
// One more of a list: from an option that may be repeated. Copies the text.
void settings_add(setting s, const char *value);
bool settings_yes(setting s);         // of a setting that is yes or no
void settings_file(const char *path); // --config; borrows the path for good
MUST_CHECK int settings_load(err *e); // resolves and checks all of them; once, after parsing
const char *settings_text(setting s); // the winning value
setting_source settings_source(setting s);
int64_t settings_integer(setting s); // of a numeric setting, checked by settings_load()

#endif
