// What people order to have loaded and unloaded: handed from workers to the thread that watches the registry, and
// remembered there.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_ORDERS_IMPL_H
#define SLIPWAY_SERVE_ORDERS_IMPL_H

#include <pthread.h>

#include "serve/snapshot.h"

typedef enum order_kind { ORDER_LOAD, ORDER_UNLOAD } order_kind;

// On the stack of the one who waits for it.
typedef struct order {
    struct order *next;
    order_kind kind;
    const char *name;
    int64_t version; // 0: of the whole model; becomes the one that was chosen
    bool done;
    int rc;
    err fault;
} order;

// What stays of an order.
typedef struct wish {
    struct wish *next;
    order_kind kind;
    char name[MODEL_NAME_MAX + 1];
    int64_t version; // 0: the whole model is unloaded
    int64_t wanted;  // of the whole model: what was deployed then
} wish;

typedef struct orders {
    pthread_mutex_t lock; // guards `first`, `last`, `ended`, and `done` of every order
    pthread_cond_t given, finished;
    order *first, *last;
    bool ended;
    order *taken; // the rest belongs to the watching thread
    wish *wishes;
} orders;

void orders_init(orders *o);
void orders_clear(orders *o);

// Workers: gives the order and waits for its end.
MUST_CHECK int orders_give(orders *o, order *one, err *e);
void orders_end(orders *o); // any thread

// The watching thread, in this order:
bool orders_wait(orders *o, uint32_t wait_ms); // false: ended
bool orders_take(orders *o);                   // whether there are any
// Turns orders into wishes, those that make sense; forgets the wishes of models that are gone. `now` may be NULL.
void orders_apply(orders *o, const registry_list *l, const snapshot *now);
void orders_judge(orders *o, const snapshot *s); // what became of them
void orders_fail(orders *o, int rc, const err *e);
void orders_release(orders *o);

// Wishes.
size_t orders_count(const orders *o, const char *name);
const wish *orders_next_load(const orders *o, const char *name, const wish *after); // of a model; NULL at the end
// Whether the version (0: the whole model, with what is deployed now) is to stay unloaded.
bool orders_unloaded(const orders *o, const char *name, int64_t version, int64_t wanted);
bool orders_ask_for(const order *first, const char *name, int64_t version); // whether one of them is to load it

#endif
