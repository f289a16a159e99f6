// read FILE THREADS: reads a CSV file once and prints the seconds, the peak of memory above the start in MB, rows,
// columns and a fingerprint of the frame.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "data/read.h"
#include "data/value.h"

static double peak_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

int main(int argc, char **argv)
{
    int64_t threads;
    if (argc != 3 || parse_i64(str_of(argv[2]), &threads) < 0 || threads < 1)
        return fprintf(stderr, "usage: read FILE THREADS\n"), 2;
    err e = ERR_NONE;
    pool *p;
    frame *f;
    read_options o = READ_OPTIONS_DEFAULT;
    if (pool_new(&p, (size_t)threads, &e) < 0) return fprintf(stderr, "read: %s\n", e.msg), 1;
    double before = peak_mb();
    uint64_t start = clock_monotonic_ns();
    if (read_file(&f, argv[1], &o, p, &e) < 0) return fprintf(stderr, "read: %s\n", e.msg), 1;
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9, memory = peak_mb() - before;
    char hex[65];
    frame_fingerprint(f, hex);
    printf("%.4f %.1f %zu %zu %.16s\n", seconds, memory, frame_n_rows(f), frame_n_columns(f), hex);
    frame_free(f);
    pool_free(p);
    return 0;
}
