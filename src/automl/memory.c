// What the kernel says in /proc and /sys.
// SPDX-License-Identifier: Apache-2.0
#include "automl/memory.h"

#include <string.h>

#include "base/buf.h"
#include "base/files.h"

enum { FILE_MAX = 1 << 16 };

// The number after `key` in a small file of the kernel's, or at its start if key is "".
static uint64_t number_in(const char *path, const char *key)
{
    buf text;
    if (file_read(path, FILE_MAX, &text, NULL) < 0) return UINT64_MAX;
    uint64_t found = UINT64_MAX;
    size_t n = strlen(key);
    for (size_t i = 0; i + n <= text.len && found == UINT64_MAX; i++) {
        if (memcmp(text.data + i, key, n) != 0) continue;
        size_t at = i + n;
        while (at < text.len && text.data[at] == ' ') at++;
        uint64_t v = 0;
        size_t start = at;
        for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9' && v < UINT64_MAX / 16; at++)
            v = 10 * v + (uint64_t)(text.data[at] - '0');
        if (at > start)
            found = v;
        else if (n == 0)
            break; // "max"
    }
    buf_clear(&text);
    return found;
}

uint64_t memory_available(void)
{
    uint64_t system = number_in("/proc/meminfo", "MemAvailable:");
    if (system < UINT64_MAX / 1024) system *= 1024;
    uint64_t most = number_in("/sys/fs/cgroup/memory.max", ""), used = number_in("/sys/fs/cgroup/memory.current", "");
    if (most == UINT64_MAX || used == UINT64_MAX) return system;
    uint64_t cache = number_in("/sys/fs/cgroup/memory.stat", "\nfile "); // given up when it is needed
    if (cache != UINT64_MAX) used -= cache < used ? cache : used;
    uint64_t group = most > used ? most - used : 0;
    return group < system ? group : system;
}
