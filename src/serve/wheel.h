// Deadlines of many connections: a hashed wheel (Varghese and Lauck, 1987), lazily moved, because nearly every deadline
// is put off before it comes.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_WHEEL_H
#define SLIPWAY_SERVE_WHEEL_H

#include <stdint.h>

enum { WHEEL_SLOTS = 1024, WHEEL_TICK_BITS = 25 }; // a tick is 2^25 ns, 34 ms: deadlines come up to that much late

typedef struct wheel_entry {
    struct wheel_entry *before, *after; // NULL: not on a wheel
    uint64_t deadline_ns;
    uint64_t tick; // when the wheel looks at it
} wheel_entry;

typedef struct wheel {              // one thread at a time
    wheel_entry slots[WHEEL_SLOTS]; // heads of rings
    uint64_t tick;                  // the last one that was looked at
    uint64_t next;                  // no entry is due before this tick
} wheel;

void wheel_init(wheel *w, uint64_t now_ns);
void wheel_set(wheel *w, wheel_entry *e, uint64_t deadline_ns); // adds it, or moves its deadline
void wheel_remove(wheel *w, wheel_entry *e);                    // fine if it is on none
// Takes one entry whose deadline has passed off the wheel; NULL when there is none. Call until NULL.
wheel_entry *wheel_expired(wheel *w, uint64_t now_ns);
// Milliseconds until wheel_expired() is worth a call; -1: never.
int wheel_wait_ms(const wheel *w, uint64_t now_ns);

#endif
