// Options described by rows: one table gives parsing, ranges, defaults, help and JSON, wherever options are taken from.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_OPTIONS_H
#define SLIPWAY_BASE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

typedef enum option_kind {
    OPTION_INTEGER, // int64_t
    OPTION_REAL,    // double
    OPTION_BOOLEAN, // bool
    OPTION_CHOICE,  // int, an index into choices
} option_kind;

typedef struct option_row {
    const char *name; // "leaf_rows_min"
    option_kind kind;
    size_t offset;              // of the field in the options' struct
    double min, max;            // inclusive; for integers and reals
    double fallback;            // the default; for choices an index, for booleans 0 or 1
    const char *const *choices; // NULL-terminated; for OPTION_CHOICE
    const char *help;           // one line
} option_row;

void options_default(const option_row *rows, size_t n, void *out);

// Sets one option from "name=value"; a choice by its name, a boolean by true or false (yes, no, on, off, 1, 0).
// ERR_INPUT says what is wrong and suggests the nearest name.
MUST_CHECK int options_set(const option_row *rows, size_t n, void *out, const char *assignment, err *e);

// All options as one object: numbers, booleans, choices by name. *out is owned by the caller: json_decref().
MUST_CHECK int options_to_json(const option_row *rows, size_t n, const void *options, json_t **out, err *e);

// Sets the options that the object names and leaves the others as they are; on failure all of them.
MUST_CHECK int options_from_json(const option_row *rows, size_t n, void *out, const json_t *j, err *e);

#endif
