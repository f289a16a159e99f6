#!/usr/bin/env python3
# What is trained here runs in onnxruntime: the same label and bit-equal scores on every row, those that training never
# saw, with missing values and with categories nobody knows. Models are at IR 8, ai.onnx 17 and ai.onnx.ml 3; the
# runtime's version is in tests/requirements.txt.
# SPDX-License-Identifier: Apache-2.0
# Labels: peers
# Venv: yes
import csv
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
SEED = 3
MISSING = {"", "NA", "?"}
onnxruntime.set_default_logger_severity(3)


def slipway(*arguments):
    done = subprocess.run([os.environ["SLIPWAY"], *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit("slipway %s: %s" % (" ".join(map(str, arguments)), done.stderr or done.stdout))
    return done.stdout


def read(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        w = csv.DictWriter(f, list(rows[0]))
        w.writeheader()
        w.writerows(rows)


def disturb(rows, inputs, rng):
    """The rows again, with holes, unknown categories and numbers never seen."""
    out = []
    for row in map(dict, rows):
        for c in inputs:
            chance, name = rng.random(), c["name"]
            if chance < 0.1:
                row[name] = ""
            elif chance < 0.2 and c["type"] in ("integer", "real") and row[name]:
                row[name] = repr(float(row[name]) * rng.choice([-3, 0.3333, 7.77]))
            elif chance < 0.2 and c["type"] == "category":
                row[name] = rng.choice(["nobody knows", "é", "Ünder", "s"])
        out.append(row)
    return out


def mixed_table(rng, n, n_wide=0):
    """Every type of column, dates and booleans with holes, and many numbers that share one input."""
    rows = []
    for _ in range(n):
        amount, kind = rng.gauss(50, 20), rng.choice(["Zürich", "aachen", "Bonn", "é"])
        paid, day = rng.random() < 0.6, datetime.datetime(2020, 1, 1) + datetime.timedelta(
            days=rng.randrange(2000), seconds=rng.randrange(86400))
        row = {
            "amount": "%.3f" % amount, "visits": str(rng.randrange(12)), "paid": "true" if paid else "false",
            "since": day.strftime("%Y-%m-%dT%H:%M:%SZ"), "town": kind,
        }
        row.update({"w%03d" % i: "%.4f" % rng.gauss(0, 1) for i in range(n_wide)})
        score = amount / 20 + 2 * paid + (kind == "Bonn") + (day.year - 2020) * 0.5 + rng.gauss(0, 0.5)
        for name in row:
            if rng.random() < 0.07:
                row[name] = ""
        row["outcome"] = "high" if score > 6 else "middle" if score > 4.5 else "low"
        row["score"] = "%.4f" % score
        rows.append(row)
    return rows


def tensor(kind, texts):
    if kind in ("integer", "real"):
        return np.array([np.nan if t in MISSING else float(t) for t in texts], dtype=np.float64).astype(np.float32)
    if kind == "boolean":
        return np.array([np.nan if t in MISSING else t == "true" for t in texts], dtype=np.float32)
    if kind == "datetime":
        zero = datetime.datetime(1970, 1, 1)
        return np.array([-2**63 if t in MISSING else
                         (datetime.datetime.strptime(t, "%Y-%m-%dT%H:%M:%SZ") - zero) // datetime.timedelta(
                             milliseconds=1) for t in texts], dtype=np.int64)
    return np.array(["" if t in MISSING else t for t in texts], dtype=object)


def feed(schema, rows):
    columns = {}
    for c in schema["inputs"]:
        columns.setdefault(c["tensor"], {})[c["slot"]] = tensor(c["type"], [row[c["name"]] for row in rows])
    return {name: np.stack([slots[i] for i in range(len(slots))], axis=1) for name, slots in columns.items()}


def check(folder, name, data, target, *options):
    rng = random.Random(SEED)
    model, rows_csv, out = folder / (name + ".onnx"), folder / (name + "_rows.csv"), folder / (name + "_out.csv")
    slipway("train", data, "--target", target, "-o", model, "--quiet", *options)
    loaded = onnx.load(model)
    onnx.checker.check_model(loaded, full_check=True)
    assert loaded.ir_version == 8, loaded.ir_version
    assert {o.domain: o.version for o in loaded.opset_import}.items() <= {"": 17, "ai.onnx.ml": 3}.items()
    session = onnxruntime.InferenceSession(model)
    schema = json.loads(session.get_modelmeta().custom_metadata_map["slipway.manifest"])["schema"]
    rows = read(data)
    rows = rows + disturb(rows, schema["inputs"], rng)
    write(rows_csv, rows)
    slipway("predict", model, rows_csv, "-o", out)
    ours = read(out)
    theirs = session.run(None, feed(schema, rows))
    assert len(ours) == len(rows) and len(ours) > 0
    scores = theirs[-1]
    if schema["target"]["task"] == "classification":
        classes = [c if isinstance(c, str) else c["name"] for c in schema["target"]["classes"]]
        labels = [row["prediction"] for row in ours]
        different = [i for i, (a, b) in enumerate(zip(labels, theirs[0])) if a != str(b)]
        assert not different, "%s: labels differ in rows %s" % (name, different[:5])
        mine = np.array([[float(row["probability_" + c]) for c in classes] for row in ours]).astype(np.float32)
    else:
        mine = np.array([[float(row["prediction"])] for row in ours]).astype(np.float32)
    assert mine.shape == scores.shape, (mine.shape, scores.shape)
    different = np.flatnonzero((mine.view(np.uint32) != scores.astype(np.float32).view(np.uint32)).any(axis=1))
    assert different.size == 0, "%s: scores differ in %d of %d rows, first row %d: %s here, %s there" % (
        name, different.size, len(rows), different[0], mine[different[0]], scores[different[0]])
    print("%-24s %6d rows, %3d inputs: the same" % (name, len(rows), len(session.get_inputs())))


def main():
    rng = random.Random(SEED)
    print("onnxruntime %s" % onnxruntime.__version__)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        titanic, mixed, wide = EXAMPLES / "titanic.csv", folder / "mixed.csv", folder / "wide.csv"
        write(mixed, mixed_table(rng, 400))
        write(wide, mixed_table(rng, 150, n_wide=300))
        check(folder, "titanic", titanic, "survived")
        check(folder, "titanic_scaled", titanic, "survived", "--impute", "mean", "--scale", "standard", "--ddof", "1",
              "--indicator", "--impute-text", "mode")
        check(folder, "titanic_ordinal", titanic, "survived", "--impute", "mode", "--scale", "minmax", "--encode",
              "ordinal", "--impute-text", "constant", "--set", "n_trees=20")
        check(folder, "titanic_complete", titanic, "survived", "--columns", "pclass,sex,age,fare", "--drop-missing",
              "--set", "depth_max=5")
        for name, target in ("iris", "species"), ("wine", "cultivar"), ("breast_cancer", "diagnosis"), ("diabetes",
                                                                                                        "progression"):
            check(folder, name, EXAMPLES / (name + ".csv"), target, "--scale", "standard")
        check(folder, "mixed", mixed, "outcome", "--drop", "score", "--indicator")
        check(folder, "mixed_ordinal", mixed, "outcome", "--drop", "score", "--encode", "ordinal", "--impute-text",
              "mode", "--indicator", "--scale", "standard")
        check(folder, "mixed_regression", mixed, "score", "--drop", "outcome")
        check(folder, "wide", wide, "outcome", "--drop", "score", "--scale", "minmax", "--indicator")


main()
