// A disk that can fail, fill up and lose power: stands between the program (SQLite included) and the system's calls for
// everything below one folder. It replaces the C library's functions in the test program.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_FAULT_REGISTRY_DISK_H
#define SLIPWAY_TESTS_FAULT_REGISTRY_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

// One thread. What is below `root`, an absolute path, is watched from now on; it must be empty for recording. NULL ends
// watching and forgets the record.
void disk_watch(const char *root, bool record);

// Syncs come back at once: tests that crash a simulated disk need not wait for the real one.
void disk_skip_syncs(bool skip);

// The nth call from now on that creates, writes, resizes, syncs or renames fails with `number`; with `sticky` all later
// ones too, syncs and renames excepted. 0 switches it off. Returns the number of such calls since the last time.
uint64_t disk_fail_at(uint64_t nth, int number, bool sticky);

// Events recorded so far. A power loss is a moment between two of them.
size_t disk_n_events(void);
const char *disk_event_text(size_t event, char text[256]); // for messages

typedef enum disk_loss {
    DISK_ALL_LOST,  // of what was not synced nothing arrived
    DISK_NONE_LOST, // everything arrived (what kill -9 leaves)
    DISK_SOME_LOST, // each write, in any order, arrived whole, in part (whole sectors), or not; names likewise
} disk_loss;

// A disk that lies: syncs of files, or of folders, are taken for nothing by disk_crash(). To see that a test would
// notice.
typedef enum disk_lie { DISK_HONEST, DISK_LIES_ABOUT_FILES, DISK_LIES_ABOUT_FOLDERS } disk_lie;
void disk_set_lie(disk_lie lie);

// What is found after a power loss at `moment` (events before it happened), put into the absent folder `to`. Made with
// calls of its own, so it is neither watched nor fails.
void disk_crash(size_t moment, disk_loss loss, rng *r, const char *to);

#endif
