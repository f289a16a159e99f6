# fasttreeshap, which wants packages of its own. fast.py MODEL ROWS COLUMNS THREADS VALUES: LightGBM's text, float32 rows;
# prints the seconds, and those of the processor.
# SPDX-License-Identifier: Apache-2.0
import sys
import time

import fasttreeshap
import lightgbm
import numpy as np

booster = lightgbm.Booster(model_file=sys.argv[1])
rows = np.fromfile(sys.argv[2], dtype=np.float32).reshape(-1, int(sys.argv[3]))
# Its fastest; the shortcut would ask lightgbm itself.
explainer = fasttreeshap.TreeExplainer(booster, algorithm="v2", n_jobs=int(sys.argv[4]), shortcut=False)
start, busy = time.perf_counter(), time.process_time()
values = np.asarray(explainer.shap_values(rows))
print(time.perf_counter() - start, time.process_time() - busy)
base = np.full((len(rows), 1), np.ravel(explainer.expected_value)[0])
np.concatenate([values, base], axis=1).astype(np.float64).tofile(sys.argv[5])
