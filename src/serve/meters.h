// What the server counts. Each event loop writes counters of its own and nobody waits; a reader adds them up.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_METERS_H
#define SLIPWAY_SERVE_METERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "registry/registry.h"
#include "serve/protocol.h"

enum { LATENCY_BUCKETS_N = 16, STATUSES_N = 26 };

// Written by one thread, read by any: relaxed loads and stores, without a lock prefix.
typedef atomic_uint_fast64_t counter;

static inline void counter_add(counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t counter_get(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

typedef struct route_meter {
    counter by_status[STATUSES_N];
    counter latency[LATENCY_BUCKETS_N + 1]; // not cumulative; the last is past all bounds
    counter latency_ns;                     // sum
} route_meter;

typedef struct meters { // of one event loop
    _Alignas(64) counter accepted, refused, closed;
    counter requests_started, requests_ended; // in flight is the difference
    counter received_bytes, sent_bytes;
    counter timeouts;                   // connections cut at a deadline
    counter cancelled;                  // requests dropped because their client had left
    route_meter routes[ROUTES_MAX + 1]; // the last one in use: no route
} meters;

void meters_count(meters *m, size_t route, int status, uint64_t latency_ns);

// Rows and requests by model name; a slot for each loop.
typedef struct model_meter_slot {
    _Alignas(64) counter rows, requests;
} model_meter_slot;

enum { BATCH_BUCKETS_N = 12 }; // rows up to 1, 2, 4, ... 2048, and more

// Of a model's queues, written by several threads. Zero as long as requests are answered at once.
typedef struct batch_meter {
    _Alignas(64) counter waiting; // requests now in the queue
    counter refused;              // because too much waits
    counter answered, answered_rows, failed;
    counter dropped_gone, dropped_expired; // while they waited, or between their batches
    counter sizes[BATCH_BUCKETS_N + 1], rows, spent_ns;
    counter restarts; // of its runner, after a crash, a hang, or at the memory limit
} batch_meter;

void batch_meter_add(batch_meter *m, size_t n_rows, uint64_t spent_ns);

// Why canaries were taken back, by the names of verdict.broken.
enum { TAKEN_BACK_N = 4 };
const char *taken_back_name(size_t reason); // "error_rate", "latency", "scores", "load"

typedef struct model_meter { // lives as long as the server
    struct model_meter *next;
    char name[MODEL_NAME_MAX + 1];
    batch_meter batches;
    counter taken_back[TAKEN_BACK_N]; // by the thread that watches
    size_t n_slots;
    model_meter_slot slots[];
} model_meter;

// Prometheus text of everything in `all` and `models`.
void meters_write(const meters *const *all, size_t n_all, const model_meter *models, buf *out);

#endif
