// Errors: every function that can fail returns 0 or a negative code, and fills an `err` when one is given.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_ERR_H
#define SLIPWAY_BASE_ERR_H

#include <stdint.h>

typedef enum err_code {
    ERR_INPUT = -1,       // what we were told makes no sense: a value, a row, an option
    ERR_FORMAT = -2,      // bytes that do not follow their format: CSV, JSON, ONNX, HTTP
    ERR_LIMIT = -3,       // past a stated limit: bytes, depth, rows, columns
    ERR_UNSUPPORTED = -4, // well formed, but not something this program does
    ERR_NOT_FOUND = -5,   // no such file, model, version, column
    ERR_EXISTS = -6,      // already there, with other content
    ERR_CONFLICT = -7,    // the state changed underneath, or forbids this
    ERR_USAGE = -8,       // a command line that cannot be followed
    ERR_DENIED = -9,      // permissions, a read-only place
    ERR_BUSY = -10,       // somebody else holds it: a port, a lock
    ERR_MEMORY = -11,     // no memory, or the ceiling of an arena
    ERR_FULL = -12,       // the disk is full
    ERR_IO = -13,         // the system failed at reading, writing, sending
    ERR_TIMEOUT = -14,    // a deadline passed
    ERR_CANCELLED = -15,  // stopped because somebody asked for it
    ERR_CORRUPT = -16,    // what we stored ourselves is not what we read back
    ERR_INTERNAL = -17,   // a fault of this program
} err_code;

typedef struct err {
    int code;      // an err_code; 0 if no error was set
    int64_t at;    // byte, row or line, as the message says; -1 if none
    char msg[240]; // one line, UTF-8, cut at a character if too long
} err;

#define ERR_NONE ((err){.code = 0, .at = -1, .msg = ""})

#define MUST_CHECK __attribute__((warn_unused_result))

// Sets *e (NULL is fine) and returns `code`.
int err_set(err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

// The same, with the byte, row or line where it happened.
int err_set_at(err *e, int code, int64_t at, const char *format, ...) __attribute__((format(printf, 4, 5)));

// Sets *e from errno: "FORMAT: No space left on device", with the code that errno maps to. Returns that code.
int err_set_errno(err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Puts "FORMAT: " before the message that is there. Returns `rc`, so that it ends a path: return err_prefix(e, rc,
// ...).
int err_prefix(err *e, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));

// The error as strangers are told it: where the system failed (a full or broken disk, rights), the message names files
// of this machine, and says only what failed instead.
err err_outward(const err *e);

// A short name for logs and scripts: "input", "limit", ... ; "ok" for 0.
const char *err_name(int code);

// Passes a failure up. Only where nothing needs to be released.
#define TRY(call)                        \
    do {                                 \
        int try_rc_ = (call);            \
        if (try_rc_ < 0) return try_rc_; \
    } while (0)

#endif
