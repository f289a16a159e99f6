// Child processes: started without a shell, with limits, waited for with a deadline.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_CHILD_H
#define SLIPWAY_BASE_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

typedef struct child_options {
    const char *const *argv;        // NULL-terminated; argv[0] is looked up in PATH
    const char *const *environment; // NULL: inherited
    const char *folder;             // NULL: inherited
    uint64_t memory_max;            // bytes of address space; 0: no limit
    uint64_t cpu_seconds_max;       // 0: no limit
    uint64_t time_ms_max;           // killed past this; 0: no limit
    size_t output_max;              // bytes of standard output and error kept, the rest is read and dropped
} child_options;

typedef struct child_result {
    int status; // exit status, or -signal
    buf output; // standard output and error together: buf_clear()
} child_result;

// Runs one to its end, with standard input empty and every other descriptor closed. ERR_TIMEOUT if it had to be killed;
// a non-zero status is no error. What it leaves running in its process group is killed. Any thread. On failure *out is
// untouched.
MUST_CHECK int child_run(child_result *out, const child_options *o, err *e);

#endif
