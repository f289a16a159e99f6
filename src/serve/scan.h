// Reading JSON where it lies: a cursor over a body, for readers that know what they want and build no document. Strict:
// RFC 8259, UTF-8.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_SCAN_H
#define SLIPWAY_SERVE_SCAN_H

#include "base/arena.h"
#include "serve/protocol.h"

enum { SCAN_DEPTH_MAX = 64 }; // of a value that is passed over; more is not JSON for us

// One body on its way; what is read next is at `at`. One thread at a time.
typedef struct scan {
    const char *start, *at, *end;
    bool nan;      // NaN, which JSON does not have and Python writes, is a value: set by who knows what it means
    arena *memory; // for texts that need unescaping
    place *place;  // of a failure: code "invalid_json" or "memory"
    err *e;
} scan;

// Borrows all four for the scan.
static inline scan scan_of(str body, place *at, arena *memory, err *e)
{
    return (scan){.start = body.data,
                  .at = body.data,
                  .end = body.data ? body.data + body.len : NULL,
                  .memory = memory,
                  .place = at,
                  .e = e};
}

// Failures, set and returned: ERR_FORMAT with the byte in e->at, "the body is not JSON: WHY at byte 7"; ERR_MEMORY.
int scan_not_json(scan *s, const char *why);
int scan_no_memory(scan *s);

static inline void scan_blanks(scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')) s->at++;
}

static inline bool scan_take(scan *s, char c)
{
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

static inline bool scan_word(scan *s, const char *word, size_t len)
{
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0) return false;
    s->at += len;
    return true;
}

static inline size_t scan_left(const scan *s)
{
    return (size_t)(s->end - s->at);
}

// All below: 0 or more, or a failure.

// Blanks, then `c`; `why` says that it is not there.
MUST_CHECK int scan_want(scan *s, char c, const char *why);
// For where a value of one kind belongs and its first character is not there: 0 if there is a value of another kind.
MUST_CHECK int scan_other(scan *s);
// The text on whose opening quote s->at is: a view of the body, or unescaped into the arena.
MUST_CHECK int scan_text(scan *s, str *out);
// The number at s->at: as it stands there, and as a double, infinite past the largest one.
MUST_CHECK int scan_number(scan *s, str *token, double *value);
// Passes over a value of any kind, blanks before it included.
MUST_CHECK int scan_skip(scan *s);
// The next member of an object whose { was taken: 1, with its name read and its colon passed, or 0 when the object has
// ended. *n counts them: start with 0.
MUST_CHECK int scan_member(scan *s, size_t *n, str *name);
// The same for an array whose [ was taken: 1, with s->at on an element, or 0.
MUST_CHECK int scan_element(scan *s, size_t *n);
// Nothing but blanks to the end.
MUST_CHECK int scan_end(scan *s);

#endif
