// Manifests from outside: what is read has the digest of its bytes, and reading it again gives the same.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "model/package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    package *p, *again;
    if (package_read_manifest(&p, (str){(const char *)data, len}, NULL) < 0) return 0;
    if (p->manifest_len != len || memcmp(p->manifest, data, len) != 0) abort();
    if (!package_find_blob(p, PACKAGE_GRAPH)) abort();
    if (package_read_manifest(&again, (str){p->manifest, p->manifest_len}, NULL) < 0) abort();
    if (strcmp(p->digest, again->digest) != 0) abort();
    if (p->baseline) {
        json_t *j;
        baseline r;
        if (baseline_to_json(p->baseline, &p->schema, &j, NULL) < 0) abort();
        if (baseline_from_json(&r, j, &p->schema, NULL) < 0) abort();
        baseline_clear(&r);
        json_decref(j);
    }
    package_free(again);
    package_free(p);
    return 0;
}
