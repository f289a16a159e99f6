// Counters added up and written the way Prometheus reads them (text format 0.0.4).
// SPDX-License-Identifier: Apache-2.0
#include "serve/meters.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"

static const uint32_t bounds_us[LATENCY_BUCKETS_N] = {25,    50,    100,   250,    500,    1000,   2500,    5000,
                                                      10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};

static const int statuses[STATUSES_N] = {200, 204, 304, 400, 401, 403, 404, 405, 406, 408, 409, 413, 414,
                                         415, 417, 421, 422, 429, 431, 500, 501, 503, 504, 505, 507, 0};

void meters_count(meters *m, size_t index, int status, uint64_t latency_ns)
{
    route_meter *r = &m->routes[index];
    size_t s = 0;
    while (s < STATUSES_N - 1 && statuses[s] != status) s++;
    counter_add(&r->by_status[s], 1);
    size_t b = 0;
    while (b < LATENCY_BUCKETS_N && latency_ns > bounds_us[b] * UINT64_C(1000)) b++;
    counter_add(&r->latency[b], 1);
    counter_add(&r->latency_ns, latency_ns);
}

static void head(buf *out, const char *name, const char *type, const char *help)
{
    buf_format(out, "# HELP slipway_%s %s\n# TYPE slipway_%s %s\n", name, help, name, type);
}

static void write_plain(buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    head(out, name, type, help);
    buf_format(out, "slipway_%s %" PRIu64 "\n", name, value);
}

static uint64_t sum_at(const meters *const *all, size_t n_all, size_t offset)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n_all; i++) sum += counter_get((const counter *)((const char *)all[i] + offset));
    return sum;
}

#define SUM(all, n_all, field) sum_at(all, n_all, (size_t)((const char *)&(all)[0]->field - (const char *)(all)[0]))

static const char *route_name(size_t index)
{
    const route *r = route_at(index);
    return r ? r->name : "none";
}

static void write_requests(const meters *const *all, size_t n_all, buf *out)
{
    head(out, "requests_total", "counter", "Requests answered, by route and status.");
    for (size_t r = 0; r <= route_count(); r++) {
        for (size_t s = 0; s < STATUSES_N; s++) {
            uint64_t n = SUM(all, n_all, routes[r].by_status[s]);
            if (n > 0)
                buf_format(out, "slipway_requests_total{route=\"%s\",status=\"%d\"} %" PRIu64 "\n", route_name(r),
                           statuses[s], n);
        }
    }
}

static void write_latencies(const meters *const *all, size_t n_all, buf *out)
{
    head(out, "request_seconds", "histogram", "From the whole request in memory to the whole answer in memory.");
    for (size_t r = 0; r <= route_count(); r++) {
        uint64_t counts[LATENCY_BUCKETS_N + 1], total = 0;
        for (size_t b = 0; b <= LATENCY_BUCKETS_N; b++) total += counts[b] = SUM(all, n_all, routes[r].latency[b]);
        if (total == 0) continue;
        uint64_t so_far = 0;
        for (size_t b = 0; b < LATENCY_BUCKETS_N; b++) {
            so_far += counts[b];
            buf_format(out, "slipway_request_seconds_bucket{route=\"%s\",le=\"%g\"} %" PRIu64 "\n", route_name(r),
                       bounds_us[b] / 1e6, so_far);
        }
        buf_format(out, "slipway_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", route_name(r), total);
        uint64_t ns = SUM(all, n_all, routes[r].latency_ns);
        buf_format(out, "slipway_request_seconds_sum{route=\"%s\"} %.9f\n", route_name(r), (double)ns / 1e9);
        buf_format(out, "slipway_request_seconds_count{route=\"%s\"} %" PRIu64 "\n", route_name(r), total);
    }
}

void batch_meter_add(batch_meter *m, size_t n_rows, uint64_t spent_ns)
{
    size_t b = 0;
    while (b < BATCH_BUCKETS_N && n_rows > (size_t)1 << b) b++;
    atomic_fetch_add_explicit(&m->sizes[b], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->rows, n_rows, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->spent_ns, spent_ns, memory_order_relaxed);
}

static uint64_t n_batches(const batch_meter *m)
{
    uint64_t n = 0;
    for (size_t b = 0; b <= BATCH_BUCKETS_N; b++) n += counter_get(&m->sizes[b]);
    return n;
}

static bool has_queue(const model_meter *m)
{
    return n_batches(&m->batches) > 0 || counter_get(&m->batches.refused) > 0;
}

static void write_sizes(const model_meter *m, buf *out)
{
    const batch_meter *q = &m->batches;
    uint64_t so_far = 0;
    for (size_t b = 0; b < BATCH_BUCKETS_N; b++) {
        so_far += counter_get(&q->sizes[b]);
        buf_format(out, "slipway_batch_rows_bucket{model=\"%s\",le=\"%u\"} %" PRIu64 "\n", m->name, 1u << b, so_far);
    }
    so_far += counter_get(&q->sizes[BATCH_BUCKETS_N]);
    buf_format(out, "slipway_batch_rows_bucket{model=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", m->name, so_far);
    buf_format(out, "slipway_batch_rows_sum{model=\"%s\"} %" PRIu64 "\n", m->name, counter_get(&q->rows));
    buf_format(out, "slipway_batch_rows_count{model=\"%s\"} %" PRIu64 "\n", m->name, so_far);
}

// Of models that have a queue, or refused requests.
static void write_batches(const model_meter *models, buf *out)
{
    head(out, "batch_rows", "histogram", "Rows of the batches that were run, by model.");
    for (const model_meter *m = models; m; m = m->next)
        if (has_queue(m)) write_sizes(m, out);
    head(out, "batch_run_seconds_total", "counter", "Time that batches took, by model.");
    for (const model_meter *m = models; m; m = m->next)
        if (has_queue(m))
            buf_format(out, "slipway_batch_run_seconds_total{model=\"%s\"} %.9f\n", m->name,
                       (double)counter_get(&m->batches.spent_ns) / 1e9);
    head(out, "batch_queue_requests", "gauge", "Requests that wait for a batch, by model.");
    for (const model_meter *m = models; m; m = m->next)
        if (has_queue(m))
            buf_format(out, "slipway_batch_queue_requests{model=\"%s\"} %" PRIu64 "\n", m->name,
                       counter_get(&m->batches.waiting));
    head(out, "batch_dropped_total", "counter",
         "Requests that were given up before they were run, by model and reason.");
    for (const model_meter *m = models; m; m = m->next) {
        const batch_meter *q = &m->batches;
        if (!has_queue(m)) continue;
        const struct {
            const char *reason;
            uint64_t n;
        } all[] = {{"client_gone", counter_get(&q->dropped_gone)},
                   {"deadline", counter_get(&q->dropped_expired)},
                   {"overload", counter_get(&q->refused)}};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            buf_format(out, "slipway_batch_dropped_total{model=\"%s\",reason=\"%s\"} %" PRIu64 "\n", m->name,
                       all[i].reason, all[i].n);
    }
    head(out, "runner_restarts_total", "counter", "Starts of a model's runner after it crashed, hung or was stopped.");
    for (const model_meter *m = models; m; m = m->next)
        if (has_queue(m))
            buf_format(out, "slipway_runner_restarts_total{model=\"%s\"} %" PRIu64 "\n", m->name,
                       counter_get(&m->batches.restarts));
}

static void write_models(const model_meter *models, buf *out)
{
    head(out, "predicted_rows_total", "counter", "Rows predicted, by model.");
    for (const model_meter *m = models; m; m = m->next) {
        uint64_t rows = counter_get(&m->batches.answered_rows);
        for (size_t i = 0; i < m->n_slots; i++) rows += counter_get(&m->slots[i].rows);
        buf_format(out, "slipway_predicted_rows_total{model=\"%s\"} %" PRIu64 "\n", m->name, rows);
    }
    head(out, "predictions_total", "counter", "Prediction requests answered, by model.");
    for (const model_meter *m = models; m; m = m->next) {
        uint64_t requests = counter_get(&m->batches.answered);
        for (size_t i = 0; i < m->n_slots; i++) requests += counter_get(&m->slots[i].requests);
        buf_format(out, "slipway_predictions_total{model=\"%s\"} %" PRIu64 "\n", m->name, requests);
    }
}

const char *taken_back_name(size_t reason)
{
    static const char *const names[TAKEN_BACK_N] = {"error_rate", "latency", "scores", "load"};
    return names[reason];
}

static uint64_t open_files(void)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) return (uint64_t)st.st_size; // since Linux 6.2
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) return 0;
    uint64_t n = 0;
    while (readdir(dir)) n++;
    closedir(dir);
    return n > 3 ? n - 3 : 0; // ".", "..", and the folder itself
}

// These names are Prometheus' own for every process.
static void write_process(buf *out)
{
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) == 0) {
        double seconds = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                         (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
        buf_format(out,
                   "# HELP process_cpu_seconds_total User and system time.\n# TYPE process_cpu_seconds_total counter\n"
                   "process_cpu_seconds_total %.6f\n",
                   seconds);
    }
    buf statm;
    unsigned long pages;
    if (file_read("/proc/self/statm", 4096, &statm, NULL) == 0) {
        buf_add_char(&statm, '\0');
        if (!statm.failed && sscanf(statm.data, "%*u %lu", &pages) == 1)
            buf_format(out,
                       "# HELP process_resident_memory_bytes Memory in use.\n"
                       "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %" PRIu64 "\n",
                       (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
        buf_clear(&statm);
    }
    buf_format(
        out,
        "# HELP process_open_fds Open files and sockets.\n# TYPE process_open_fds gauge\nprocess_open_fds %" PRIu64
        "\n",
        open_files());
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        buf_format(out,
                   "# HELP process_max_fds Most of them.\n# TYPE process_max_fds gauge\nprocess_max_fds %" PRIu64 "\n",
                   (uint64_t)limit.rlim_cur);
}

void meters_write(const meters *const *all, size_t n_all, const model_meter *models, buf *out)
{
    write_requests(all, n_all, out);
    write_latencies(all, n_all, out);
    write_models(models, out);
    write_batches(models, out);
    uint64_t ended = SUM(all, n_all, requests_ended), started = SUM(all, n_all, requests_started);
    write_plain(out, "requests_in_flight", "gauge", "Requests now being answered.",
                started > ended ? started - ended : 0);
    uint64_t closed = SUM(all, n_all, closed), accepted = SUM(all, n_all, accepted);
    write_plain(out, "connections", "gauge", "Open connections.", accepted > closed ? accepted - closed : 0);
    write_plain(out, "connections_accepted_total", "counter", "Connections accepted.", accepted);
    write_plain(out, "connections_refused_total", "counter", "Connections answered with 503 because of their number.",
                SUM(all, n_all, refused));
    write_plain(out, "timeouts_total", "counter", "Connections cut at a deadline.", SUM(all, n_all, timeouts));
    write_plain(out, "requests_cancelled_total", "counter", "Requests dropped because their client had left.",
                SUM(all, n_all, cancelled));
    write_plain(out, "received_bytes_total", "counter", "Bytes read from connections.",
                SUM(all, n_all, received_bytes));
    write_plain(out, "sent_bytes_total", "counter", "Bytes written to connections.", SUM(all, n_all, sent_bytes));
    write_process(out);
}
