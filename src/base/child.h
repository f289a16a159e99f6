// Child processes: started without a shell, with limits, waited for with a deadline.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_CHILD_H
#define SLIPWAY_BASE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

enum { CHILD_DESCRIPTORS_MAX = 8 };

typedef struct child_options {
    const char *const *argv;        // NULL-terminated; argv[0] is looked up in PATH
    const char *const *environment; // NULL: inherited
    const char *folder;             // NULL: inherited
    uint64_t memory_max;            // bytes of address space; 0: no limit
    uint64_t cpu_seconds_max;       // 0: no limit
    uint64_t time_ms_max;           // killed past this; 0: no limit
    size_t output_max;              // bytes of standard output and error kept, the rest is read and dropped
    int nice;                       // added to the parent's niceness
    const int *descriptors;         // n_descriptors that the child has too, as 3, 4, ...; borrowed
    size_t n_descriptors;           // at most CHILD_DESCRIPTORS_MAX
} child_options;

typedef struct child_result {
    int status; // exit status, or -signal
    buf output; // standard output and error together: buf_clear()
} child_result;

// Runs one to its end, with standard input empty and every descriptor closed that it is not given. ERR_TIMEOUT if it
// had to be killed; a non-zero status is no error. What it leaves running in its process group is killed. Any thread.
// On failure *out is untouched.
MUST_CHECK int child_run(child_result *out, const child_options *o, err *e);

// One that runs beside the thread that started it, and is killed when that thread ends. One thread at a time: that one.
typedef struct child child;

typedef struct child_use {
    int status;          // exit status, or -signal
    uint64_t cpu_ms;     // user and system
    uint64_t memory_max; // bytes that were resident at once at most
} child_use;

// As child_run(), but returns when the program runs; output_max and time_ms_max are the caller's business.
MUST_CHECK int child_start(child **out, const child_options *o, err *e);
// Standard output and error together, for poll(2); -1 after its end.
int child_output(const child *c);
// Appends what has come, at most `most` bytes. False after the end of the output.
bool child_read(child *c, buf *out, size_t most);
bool child_ended(const child *c); // whether child_collect() would not wait
// Bytes that are resident now; 0 if the system does not say.
uint64_t child_memory(const child *c);
void child_kill(child *c); // with what it started
// Waits for its end, kills what it left running, and frees c.
child_use child_collect(child *c);

#endif
