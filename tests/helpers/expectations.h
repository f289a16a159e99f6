// What another program expects, as its generator wrote it: a JSON document of tests/golden, for a group of tests.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_HELPERS_EXPECTATIONS_H
#define SLIPWAY_TESTS_HELPERS_EXPECTATIONS_H

#include "base/files.h"
#include "base/json.h"
#include "check.h"

static json_t *expectations;

static inline int expectations_load(const char *path)
{
    buf text;
    err e = ERR_NONE;
    check_ok(file_read(path, 1 << 20, &text, &e), &e);
    check_ok(json_parse(&expectations, buf_str(&text), &e), &e);
    buf_clear(&text);
    return 0;
}

static inline int expectations_unload(void **state)
{
    (void)state;
    json_decref(expectations);
    return 0;
}

#endif
