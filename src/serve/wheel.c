// Each slot is a ring. An entry whose deadline was put off stays where it is until its slot comes, and moves then.
// SPDX-License-Identifier: Apache-2.0
#include "serve/wheel.h"

#include <stddef.h>

void wheel_init(wheel *w, uint64_t now_ns)
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++) w->slots[i].before = w->slots[i].after = &w->slots[i];
    w->tick = now_ns >> WHEEL_TICK_BITS;
    w->next = UINT64_MAX;
}

static void insert(wheel *w, wheel_entry *e)
{
    uint64_t tick = (e->deadline_ns >> WHEEL_TICK_BITS) + 1; // past it, not before
    if (tick <= w->tick) tick = w->tick + 1;
    if (tick >= w->tick + WHEEL_SLOTS) tick = w->tick + WHEEL_SLOTS - 1; // looked at early, then moved on
    wheel_entry *head = &w->slots[tick % WHEEL_SLOTS];
    e->tick = tick;
    e->before = head->before;
    e->after = head;
    head->before->after = e;
    head->before = e;
    if (tick < w->next) w->next = tick;
}

void wheel_remove(wheel *w, wheel_entry *e)
{
    (void)w;
    if (!e->after) return;
    e->before->after = e->after;
    e->after->before = e->before;
    e->before = e->after = NULL;
}

void wheel_set(wheel *w, wheel_entry *e, uint64_t deadline_ns)
{
    e->deadline_ns = deadline_ns;
    if (e->after && e->tick <= (deadline_ns >> WHEEL_TICK_BITS) + 1) return;
    wheel_remove(w, e);
    insert(w, e);
}

// The first tick from `from` on whose slot holds something.
static uint64_t next_from(const wheel *w, uint64_t from)
{
    for (uint64_t tick = from; tick < from + WHEEL_SLOTS; tick++) {
        const wheel_entry *head = &w->slots[tick % WHEEL_SLOTS];
        if (head->after != head) return tick;
    }
    return UINT64_MAX;
}

wheel_entry *wheel_expired(wheel *w, uint64_t now_ns)
{
    uint64_t now = now_ns >> WHEEL_TICK_BITS;
    while (w->next <= now) {
        uint64_t due = w->next;
        if (now > w->tick) w->tick = now; // what is put back goes past now: perhaps into this very slot, a turn later
        wheel_entry *head = &w->slots[due % WHEEL_SLOTS];
        for (wheel_entry *e = head->after, *after; e != head; e = after) {
            after = e->after;
            if (e->tick > now) continue;
            wheel_remove(w, e);
            if (e->deadline_ns <= now_ns) return e;
            insert(w, e);
        }
        w->next = next_from(w, due + 1);
    }
    if (now > w->tick) w->tick = now;
    return NULL;
}

int wheel_wait_ms(const wheel *w, uint64_t now_ns)
{
    if (w->next == UINT64_MAX) return -1;
    uint64_t due = w->next << WHEEL_TICK_BITS;
    return due <= now_ns ? 0 : (int)((due - now_ns) / 1000000) + 1;
}
