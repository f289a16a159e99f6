# onnxruntime on the model that score wrote: one thread, the same batch sizes.
# SPDX-License-Identifier: Apache-2.0
import sys
import time

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
rng = np.random.default_rng(2)
for n in (1, 8, 64, 4096):
    feed = {i.name: rng.normal(size=(n, 1)).astype(np.float32) for i in session.get_inputs()}
    calls = int(sys.argv[2]) // n + 1
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(calls):
            session.run(None, feed)
        best = min(best, (time.perf_counter() - start) / calls)
    print(f"onnxruntime  {n:5d} rows: {1e6 * best:10.3f} us a call, {1e9 * best / n:9.1f} ns a row")
