// The server: event loops, the models they serve, and a watch on the registry.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_SERVER_H
#define SLIPWAY_SERVE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "serve/runtime.h"

typedef struct server_options {
    const char *data_dir;
    const char *host;         // an address, or "localhost"
    uint16_t port;            // 0: any free one
    const char *admin_listen; // "HOST:PORT" for what is not predicting: then the public port has that no more; "": none
    const char *trusted_proxies;    // addresses and networks whose X-Forwarded-* are believed, commas between; "": none
    const char *access_log;         // file, "-" for standard output; NULL: none
    size_t n_loops;                 // event loops; 0: one a processor
    const char *default_model;      // of requests that name none; NULL or "": the only one deployed
    const char *tls_cert, *tls_key; // PEM files, see serve/tls.h; "": plain HTTP
    const char *tls_client_ca;      // clients must show a certificate signed by one in it; "": they need not
    const char *trusted_keys;       // file of public keys: only what one of them has signed is served; NULL: everything
    bool plain_http;                // beyond loopback without TLS: else refused
    const char *allowed_hosts, *cors_origins; // lists with commas, "" for none: see sites.h
    size_t body_max, header_max, rows_max, connections_max;
    uint32_t header_ms_max, body_ms_max, write_ms_max, idle_ms_max; // absolute deadlines
    uint32_t stop_ms_max;      // how long a graceful stop waits for requests in flight
    size_t request_memory_max; // ceiling of a request's arena, and of its answer
    runtime_options runtime;   // how versions are run
    size_t models_memory_max;  // bytes of all loaded versions; 0: half of what is available at the start
    uint32_t drift_window_s;   // half of the longest time that drift looks back
    size_t buffers_max;        // bytes of requests and answers that are on their way, of all connections together
    bool confined; // gives up for good what it does not need, see confinement.h: for the process of a server
    // Jobs, see docs/protocols/jobs.md.
    size_t jobs_max, jobs_queued_max; // runs at once (0: none are taken), and waiting
    size_t job_memory_max;            // bytes; what a run takes beside its program
    uint64_t job_cpu_seconds_max;     // 0: no limit
    uint64_t job_ms_max;              // 0: no limit
    uint32_t job_keep_days;           // that a run is kept after its end; 0: until somebody removes it
    size_t job_threads;               // of a run; 0: one a processor
    uint64_t dataset_max;             // bytes of one
} server_options;

#define SERVER_OPTIONS_DEFAULT                                 \
    ((server_options){.host = "127.0.0.1",                     \
                      .port = 8080,                            \
                      .admin_listen = "",                      \
                      .trusted_proxies = "",                   \
                      .tls_cert = "",                          \
                      .tls_key = "",                           \
                      .tls_client_ca = "",                     \
                      .allowed_hosts = "",                     \
                      .cors_origins = "",                      \
                      .body_max = 16 << 20,                    \
                      .header_max = 16 << 10,                  \
                      .rows_max = 100000,                      \
                      .connections_max = 10000,                \
                      .header_ms_max = 10000,                  \
                      .body_ms_max = 60000,                    \
                      .write_ms_max = 60000,                   \
                      .idle_ms_max = 75000,                    \
                      .stop_ms_max = 30000,                    \
                      .request_memory_max = (size_t)256 << 20, \
                      .runtime = RUNTIME_OPTIONS_DEFAULT,      \
                      .drift_window_s = 3600,                  \
                      .buffers_max = (size_t)1 << 30,          \
                      .jobs_max = 1,                           \
                      .jobs_queued_max = 100,                  \
                      .job_memory_max = (size_t)4 << 30,       \
                      .job_cpu_seconds_max = 14400,            \
                      .job_ms_max = 3600000,                   \
                      .job_keep_days = 90,                     \
                      .dataset_max = (uint64_t)1 << 30})
const char *server_options_fault(const server_options *o); // NULL, or why they make no sense

#define ADMIN_SOCKET "admin.sock" // in the data directory

typedef struct server server;

// How many connections there may be: as many as options say, or as the limit of open files allows; one more is answered
// with 503 and closed, and past a few hundred of those the others wait in the backlog.
//
// Binds, and loads what the registry has deployed; a broken version is logged and the rest served. ERR_BUSY if the port
// is taken. Beyond loopback: ERR_INPUT without TLS unless options say that it may be plain, and a first key is made.
MUST_CHECK int server_new(server **out, const server_options *o, err *e);
uint16_t server_port(const server *s);
uint16_t server_admin_port(const server *s); // 0: there is none
// Whether it made the first key, into DATA_DIR/admin.key: it listens beyond loopback, and there was none.
bool server_made_key(const server *s);
// Serves until server_stop(), then drains: no new connections, requests in flight are answered. Tells systemd, if that
// is who started us. One thread at a time, once.
MUST_CHECK int server_run(server *s, err *e);
void server_stop(server *s);   // any thread, and signal handlers
void server_reload(server *s); // reads the certificates again, soon; any thread, and signal handlers
void server_free(server *s);   // NULL is fine

// Whether the port is held by a server of ours over the same data directory: then deploying into the registry is
// enough.
bool server_is_ours(const char *host, uint16_t port, const char *data_dir);

#endif
