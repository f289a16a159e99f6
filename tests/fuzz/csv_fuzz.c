// CSV from anywhere. The first byte picks options; parts of any size must give what one part gives.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "data/csv_impl.h"
#include "data/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_parts(const source *s, const read_options *o, size_t part_size, char hex[65], err *e)
{
    budget b = {.max = o->memory_max};
    frame *f = NULL;
    int rc = csv_read(&f, s, o, part_size, &b, NULL, e);
    hex[0] = '\0';
    if (rc == 0) frame_fingerprint(f, hex);
    frame_free(f);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    read_options o = READ_OPTIONS_DEFAULT;
    o.header = data[0] & 1 ? HEADER_YES : HEADER_NO; // found from samples, it may depend on the parts
    o.delimiter = data[0] & 2 ? ',' : '\0';
    o.cell_max = data[0] & 4 ? 100 : 1 << 20;
    o.memory_max = (size_t)64 << 20;
    source s = {.text = (const char *)data + 1, .fd = -1, .len = size - 1};
    char whole[65], parted[65];
    err e = ERR_NONE;
    int rc = read_parts(&s, &o, 0, whole, &e);
    if (rc == ERR_INTERNAL) abort();
    if (read_parts(&s, &o, 2 + (data[0] >> 3), parted, &e) != rc || strcmp(whole, parted) != 0) abort();
    o.header = HEADER_AUTO;
    (void)read_parts(&s, &o, 0, whole, &e);
    return 0;
}
