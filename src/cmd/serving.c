// The server under a command.
// SPDX-License-Identifier: Apache-2.0
#include "cmd/serving.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/print.h"
#include "cmd/settings.h"
#include "serve/access.h"

server_options serving_options(void)
{
    server_options o = SERVER_OPTIONS_DEFAULT;
    o.data_dir = settings_text(SETTING_DATA_DIR);
    o.host = settings_text(SETTING_HOST);
    o.port = (uint16_t)settings_integer(SETTING_PORT);
    o.admin_listen = settings_text(SETTING_ADMIN_LISTEN);
    o.trusted_proxies = settings_text(SETTING_TRUSTED_PROXY);
    o.tls_cert = settings_text(SETTING_TLS_CERT);
    o.tls_key = settings_text(SETTING_TLS_KEY);
    o.tls_client_ca = settings_text(SETTING_TLS_CLIENT_CA);
    o.plain_http = settings_yes(SETTING_PLAIN_HTTP);
    o.allowed_hosts = settings_text(SETTING_ALLOWED_HOST);
    o.cors_origins = settings_text(SETTING_CORS_ORIGIN);
    o.n_loops = (size_t)settings_integer(SETTING_LOOPS);
    o.body_max = (size_t)settings_integer(SETTING_BODY_MAX);
    o.rows_max = (size_t)settings_integer(SETTING_ROWS_MAX);
    o.connections_max = (size_t)settings_integer(SETTING_CONNECTIONS_MAX);
    o.header_ms_max = (uint32_t)settings_integer(SETTING_HEADER_MS);
    o.body_ms_max = (uint32_t)settings_integer(SETTING_BODY_MS);
    o.write_ms_max = (uint32_t)settings_integer(SETTING_WRITE_MS);
    o.idle_ms_max = (uint32_t)settings_integer(SETTING_IDLE_MS);
    o.stop_ms_max = (uint32_t)settings_integer(SETTING_STOP_MS);
    const char *isolate = settings_text(SETTING_ISOLATE);
    o.runtime.isolate = strcmp(isolate, "always") == 0  ? ISOLATE_ALWAYS
                        : strcmp(isolate, "never") == 0 ? ISOLATE_NEVER
                                                        : ISOLATE_AUTO;
    o.runtime.runner_memory_max = (size_t)settings_integer(SETTING_RUNNER_MEMORY) << 20;
    o.runtime.runner_ms_max = (uint32_t)settings_integer(SETTING_RUNNER_MS);
    o.runtime.queue_ms_max = (uint32_t)settings_integer(SETTING_QUEUE_MS);
    const char *trusted_keys = settings_text(SETTING_TRUSTED_KEYS);
    o.trusted_keys = strcmp(trusted_keys, "off") == 0 ? NULL : trusted_keys;
    const char *access_log = settings_text(SETTING_ACCESS_LOG);
    o.access_log = strcmp(access_log, "off") == 0 ? NULL : access_log;
    o.default_model = settings_text(SETTING_DEFAULT_MODEL);
    o.jobs_max = (size_t)settings_integer(SETTING_JOBS_MAX);
    o.jobs_queued_max = (size_t)settings_integer(SETTING_JOBS_QUEUED);
    o.job_memory_max = (size_t)settings_integer(SETTING_JOB_MEMORY);
    o.job_cpu_seconds_max = (uint64_t)settings_integer(SETTING_JOB_CPU_SECONDS);
    o.job_ms_max = (uint64_t)settings_integer(SETTING_JOB_MS);
    o.job_keep_days = (uint32_t)settings_integer(SETTING_JOB_KEEP_DAYS);
    o.job_threads = (size_t)settings_integer(SETTING_THREADS);
    o.dataset_max = (uint64_t)settings_integer(SETTING_DATASET_MAX);
    o.models_memory_max = (size_t)settings_integer(SETTING_MODELS_MEMORY_MAX);
    o.confined = settings_yes(SETTING_SANDBOX);
    o.drift_window_s = (uint32_t)settings_integer(SETTING_DRIFT_WINDOW);
    return o;
}

// The one server of the process, for the signal handler: set before signals are caught.
static server *current;

static void stop_running(void)
{
    server_stop(current);
}

static void reload(int number)
{
    (void)number;
    if (current) server_reload(current);
}

// SIGHUP reads certificates again; without any it ends the program, as ever.
static void catch_reload(const server_options *o)
{
    struct sigaction action = {.sa_handler = reload, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (o->tls_cert[0]) sigaction(SIGHUP, &action, NULL);
}

uint16_t serving_admin_port(void)
{
    return current ? server_admin_port(current) : 0;
}

int serving_run(const server_options *o, void (*ready)(void *context, uint16_t port), void *context, err *e)
{
    server *s;
    int rc = server_new(&s, o, e);
    if (rc == ERR_BUSY)
        return err_set(e, rc, "%s port %u is in use by another program; --port picks another, 0 any free one", o->host,
                       (unsigned)o->port);
    if (rc < 0) return rc;
    current = s;
    bool stopped_before = stop_signalled();
    stop_signals_catch(stop_running);
    catch_reload(o);
    if (server_made_key(s))
        fprintf(stderr, "slipway: the first key, for the role admin, is in %s/" ADMIN_KEY_FILE "\n", o->data_dir);
    ready(context, server_port(s));
    if (stopped_before) server_stop(s);
    rc = server_run(s, e);
    stop_signals_catch(NULL);
    current = NULL;
    server_free(s);
    return rc;
}
