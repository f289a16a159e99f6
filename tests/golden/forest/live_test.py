# Forests that we trained, asked through onnxruntime: the same labels and bit-equal scores on every row, in one batch, one
# row at a time, and on one thread or two.
# Venv: yes
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime

program = pathlib.Path(os.environ["SLIPWAY"]).parent / "tests" / "golden_forest_forest"
FEATURES = 6


def labels_of(model, scores):
    attributes = {a.name: a for a in model.graph.node[0].attribute}
    if "classlabels_strings" in attributes:
        names = np.array([s.decode() for s in attributes["classlabels_strings"].strings], dtype=object)
    else:
        names = np.array(attributes["classlabels_int64s"].ints)
    return names[scores.argmax(axis=1)]


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def same(path, rows, scores):
    model = onnx.load(path)
    onnx.checker.check_model(model)
    labels = labels_of(model, scores) if len(model.graph.output) > 1 else None
    for threads in (1, 2):
        runner = session(path, threads)
        for size in (len(rows), 64, 1):
            for start in range(0, len(rows), size):
                part = slice(start, start + size)
                got = runner.run(None, {"x": rows[part]})
                assert got[0].tobytes() == scores[part].tobytes(), (path, start, got[0], scores[part])
                if labels is not None:
                    assert (np.asarray(got[1]) == labels[part]).all(), (path, start)


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([program], check=True, env={**os.environ, "WRITTEN": folder})
    files = sorted(pathlib.Path(folder).glob("*.onnx"))
    assert len(files) == 10
    for file in files:
        rows = np.fromfile(file.with_suffix(".rows"), np.float32).reshape(-1, FEATURES)
        scores = np.fromfile(file.with_suffix(".scores"), np.float32).reshape(len(rows), -1)
        same(str(file), rows, scores)
    print(f"{len(files)} forests, {len(rows)} rows each: onnxruntime {onnxruntime.__version__} gives the same bits")
