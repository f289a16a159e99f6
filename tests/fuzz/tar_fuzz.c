// Archives from outside: every member lies within the archive, and the walk ends.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "registry/tar_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    str whole = {(const char *)data, len}, rest = whole, content;
    char name[TAR_NAME_MAX + 1];
    int rc;
    while ((rc = tar_next(whole, &rest, name, &content, NULL)) > 0) {
        size_t name_len = strnlen(name, sizeof name);
        if (name_len == 0 || name_len >= sizeof name) abort();
        if (content.data < whole.data || content.len > (size_t)(whole.data + len - content.data)) abort();
        if (rest.data < content.data + content.len || rest.data + rest.len != whole.data + len) abort();
    }
    if (rc == 0 && rest.len != 0) abort();
    return 0;
}
