// A certificate of one's own with its key, made by openssl(1).
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_HELPERS_CERTIFICATE_H
#define SLIPWAY_TESTS_HELPERS_CERTIFICATE_H

#include <stdio.h>

#include "base/buf.h"
#include "base/child.h"
#include "check.h"

enum { CERTIFICATE_PATH_SIZE = 512 };

// For "localhost", two days long; the paths of its files in the folder are written into cert and key.
static inline void certificate_make(const char *folder, char cert[CERTIFICATE_PATH_SIZE],
                                    char key[CERTIFICATE_PATH_SIZE])
{
    snprintf(cert, CERTIFICATE_PATH_SIZE, "%s/cert.pem", folder);
    snprintf(key, CERTIFICATE_PATH_SIZE, "%s/key.pem", folder);
    const char *const arguments[] = {
        "openssl", "req",     "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes",  "-keyout", key,     "-out",    cert, "-subj",    "/CN=localhost",
        "-days",   "2",       NULL};
    const child_options o = {.argv = arguments, .output_max = 1000, .time_ms_max = 20000};
    child_result r;
    err e = ERR_NONE;
    check_ok(child_run(&r, &o, &e), &e);
    assert_int_equal(r.status, 0);
    buf_clear(&r.output);
}

#endif
