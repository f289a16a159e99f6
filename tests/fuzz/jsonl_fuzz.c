// JSON Lines from anywhere. Parts of any size must give what one part gives.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "data/frame.h"
#include "data/jsonl_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_parts(const source *s, const read_options *o, size_t part_size, char hex[65], err *e)
{
    budget b = {.max = o->memory_max};
    frame *f = NULL;
    int rc = jsonl_read(&f, s, o, part_size, &b, NULL, e);
    hex[0] = '\0';
    if (rc == 0) frame_fingerprint(f, hex);
    frame_free(f);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_options o = READ_OPTIONS_DEFAULT;
    o.memory_max = (size_t)256 << 20;
    source s = {.text = size ? (const char *)data : "", .fd = -1, .len = size};
    char whole[65], parted[65];
    err e = ERR_NONE, again = ERR_NONE;
    int rc = read_parts(&s, &o, 0, whole, &e);
    if (rc == ERR_INTERNAL) abort();
    if (read_parts(&s, &o, 7, parted, &again) != rc || strcmp(whole, parted) != 0 || strcmp(e.msg, again.msg) != 0)
        abort();
    return 0;
}
