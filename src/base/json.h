// JSON through jansson, for all that is not hot: manifests, settings, reports. Prediction bodies never pass here.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_JSON_H
#define SLIPWAY_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

// Sends jansson's memory through mem_alloc, so that faults can be injected. Called once, first thing, by main and by
// the tests that care.
void json_init(void);

// Parses one document: strict UTF-8, duplicate keys and trailing bytes refused, depth and size limited. *out is owned
// by the caller: json_decref(). ERR_FORMAT says line and column.
MUST_CHECK int json_parse(json_t **out, str text, err *e);

// Appends the document with sorted keys, so that equal documents give equal bytes; `pretty` indents by two.
// Reals have the fewest digits that read back as the same number.
MUST_CHECK int json_format(const json_t *value, bool pretty, buf *out, err *e);

// Members of an object by type; ERR_FORMAT names the member that is missing or of another type.
MUST_CHECK int json_member_object(const json_t *object, const char *key, json_t **out, err *e);   // borrowed
MUST_CHECK int json_member_array(const json_t *object, const char *key, json_t **out, err *e);    // borrowed
MUST_CHECK int json_member_text(const json_t *object, const char *key, const char **out, err *e); // view, no NUL inside
MUST_CHECK int json_member_integer(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out,
                                   err *e);
MUST_CHECK int json_member_real(const json_t *object, const char *key, double *out, err *e); // an integer is a real too
MUST_CHECK int json_member_boolean(const json_t *object, const char *key, bool *out, err *e);

// A real as JSON has it: null for NaN, "inf" and "-inf" for the ends. NULL without memory.
json_t *json_number(double value);

// A time for people, "2026-01-31T12:00:00.000Z", from clock_utc_ms(): null for 0, which is never. NULL without memory.
json_t *json_time(int64_t utc_ms);

// Sets object[key] = value and takes the reference, also on failure (a NULL value is ERR_MEMORY).
MUST_CHECK int json_put(json_t *object, const char *key, json_t *value, err *e);
MUST_CHECK int json_push(json_t *array, json_t *value, err *e);

// A text as JSON string, quotes included, appended to a buffer: for answers that are written by hand. Bytes that are
// not UTF-8 become U+FFFD.
void json_quote(buf *out, str text);

#endif
