"""peer.py polars|pyarrow FILE THREADS: what bench/csv/read.c does, by another program. Types are inferred by all."""
# SPDX-License-Identifier: Apache-2.0
import os
import resource
import sys
import time

peer, path, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.environ["POLARS_MAX_THREADS"] = str(threads)


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if peer == "polars":
    import polars

    def read():
        table = polars.read_csv(path, try_parse_dates=True)
        return table.height, table.width
else:
    import pyarrow
    from pyarrow import csv

    pyarrow.set_cpu_count(threads)
    pyarrow.set_io_thread_count(1)

    def read():
        global table
        table = csv.read_csv(path)
        return table.num_rows, table.num_columns

before = peak_mb()
start = time.perf_counter()
rows, columns = read()
seconds = time.perf_counter() - start
print(f"{seconds:.4f} {peak_mb() - before:.1f} {rows} {columns} -")
