// Sources.
// SPDX-License-Identifier: Apache-2.0
#include "data/source_impl.h"

#include <errno.h>
#include <unistd.h>

int source_view(const source *s, size_t offset, size_t len, char *buffer, str *out, err *e)
{
    if (s->text) {
        *out = (str){s->text + offset, len};
        return 0;
    }
    for (size_t have = 0; have < len;) {
        ssize_t n = pread(s->fd, buffer + have, len - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set_errno(e, "reading at byte %zu", offset + have);
        if (n == 0) return err_set(e, ERR_IO, "the file became shorter while it was read");
        have += (size_t)n;
    }
    *out = (str){buffer, len};
    return 0;
}
