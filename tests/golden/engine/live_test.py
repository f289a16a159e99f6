# New random models, answered by the onnxruntime that is installed now: cases.py's bundle through cases_test, and files
# that we wrote through onnx's checker.
# Venv: yes
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import random
import subprocess
import sys
import tempfile

folder = pathlib.Path(__file__).resolve().parent
program = pathlib.Path(os.environ["SLIPWAY"]).parent / "tests" / "golden_engine_cases"
seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
print(f"SEED={seed}", flush=True)

with tempfile.TemporaryDirectory() as temporary:
    bundle = os.path.join(temporary, "live.bundle")
    subprocess.run([sys.executable, folder / "cases.py", "onnxruntime", bundle, "20", str(seed)], check=True)
    written = os.path.join(temporary, "written")
    os.mkdir(written)
    subprocess.run([program, bundle], check=True, env={**os.environ, "WRITTEN": written})

    import onnx

    files = sorted(os.listdir(written))
    assert files, "no model was written"
    for name in files:
        onnx.checker.check_model(os.path.join(written, name))
    print(f"{len(files)} files that we wrote pass the checker of onnx {onnx.__version__}")
