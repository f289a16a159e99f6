# Trains the models, gives them to our program as ONNX with the weight of each node, and lets everybody explain the same
# rows in turns. peer.py PROGRAM FOLDER RUNS FAST: FAST is the Python that has fasttreeshap, or empty.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import statistics
import subprocess
import sys
import time

PROGRAM, FOLDER, RUNS, FAST = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
TREES, DEPTH, COLUMNS, TRAINING, ROWS, SEED = 500, 8, 20, 50000, 1000, 7
os.environ.setdefault("OMP_NUM_THREADS", "2")

import catboost
import lightgbm
import numpy as np
import onnx
import shap
import xgboost
from onnx import TensorProto, helper

rng = np.random.default_rng(SEED)
x = rng.normal(size=(TRAINING, COLUMNS)).astype(np.float32)
y = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + np.abs(x[:, 3]) + 0.5 * rng.normal(size=TRAINING)
rows = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)


class Ensemble:
    """The attributes of a TreeEnsembleRegressor; `add` takes the nodes of one tree."""

    def __init__(self, mode):
        self.mode = mode
        self.a = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
                                  "missing_value_tracks_true", "hitrates")}
        self.w = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
        self.trees = 0

    def add(self, nodes):  # (feature, threshold, yes, no, cover, value); feature None: a leaf
        for i, (feature, threshold, yes, no, cover, value) in enumerate(nodes):
            leaf = feature is None
            for key, item in zip(self.a, (self.trees, i, 0 if leaf else feature, "LEAF" if leaf else self.mode,
                                          0.0 if leaf else float(threshold), 0 if leaf else yes, 0 if leaf else no, 0,
                                          float(cover))):
                self.a[key].append(item)
            if leaf:
                for key, item in zip(self.w, (self.trees, i, 0, float(value))):
                    self.w[key].append(item)
        self.trees += 1

    def save(self, path, base):
        attributes = {f"nodes_{k}": v for k, v in self.a.items()} | {f"target_{k}": v for k, v in self.w.items()}
        node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1,
                                base_values=[float(base)], **attributes)
        info = helper.make_tensor_value_info
        graph = helper.make_graph([node], "g", [info("x", TensorProto.FLOAT, ["N", COLUMNS])],
                                  [info("y", TensorProto.FLOAT, ["N", 1])])
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
        onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), path)
        return f"{self.trees} trees, {len(self.w['weights'])} leaves"


def from_xgboost(booster, path):
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    e = Ensemble("BRANCH_LT")
    for t in learner["gradient_booster"]["model"]["trees"]:
        e.add([(None if left < 0 else t["split_indices"][i], t["split_conditions"][i], left, t["right_children"][i],
                t["sum_hessian"][i], t["split_conditions"][i]) for i, left in enumerate(t["left_children"])])
    base = learner["learner_model_param"]["base_score"]
    return e.save(path, json.loads(base)[0] if base.startswith("[") else float(base))


def float32_below(v):  # x <= v for float32 x is x <= the largest float32 that is not above v
    f = np.float32(v)
    return f if float(f) <= v else np.nextafter(f, np.float32(-np.inf))


def from_lightgbm(booster, path):
    e = Ensemble("BRANCH_LEQ")
    for t in booster.dump_model()["tree_info"]:
        nodes = []

        def place(n):
            at = len(nodes)
            nodes.append(None)
            if "leaf_value" in n:
                nodes[at] = (None, 0, 0, 0, n.get("leaf_count", 1), n["leaf_value"])
            else:
                yes = place(n["left_child"])
                no = place(n["right_child"])
                nodes[at] = (n["split_feature"], float32_below(n["threshold"]), yes, no, n["internal_count"], 0)
            return at

        place(t["tree_structure"])
        e.add(nodes)
    return e.save(path, 0)


def slipway(model, threads):
    values = os.path.join(FOLDER, "values")
    out = subprocess.run([PROGRAM, model, os.path.join(FOLDER, "rows"), str(threads), "1", values], check=True,
                         capture_output=True, text=True).stdout.split()
    table = np.fromfile(values).reshape(ROWS, COLUMNS + 1)
    return float(out[0]), float(out[1]), np.concatenate([table[:, 1:], table[:, :1]], axis=1)


def timed(explain):
    start, busy = time.perf_counter(), time.process_time()
    values = explain()
    if isinstance(values, tuple):  # it has looked at the clock itself
        return values
    return time.perf_counter() - start, time.process_time() - busy, np.asarray(values)


def fast(model, threads):  # a process of its own, which says how long it took
    values = os.path.join(FOLDER, "fast")
    out = subprocess.run([FAST, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fast.py"), model,
                          os.path.join(FOLDER, "rows"), str(COLUMNS), str(threads), values], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return (*map(float, out.split()[-2:]), np.fromfile(values).reshape(ROWS, COLUMNS + 1))


def with_base(explainer):
    values = np.asarray(explainer.shap_values(rows))
    return np.concatenate([values, np.full((ROWS, 1), np.ravel(explainer.expected_value)[0])], axis=1)


def compare(title, model, peers):
    """peers: name -> (threads, function or None to explain, whether it is the same model)."""
    seconds, busy, difference = {}, {}, {}
    for _ in range(RUNS):
        ours = {}
        for threads in sorted({p[0] for p in peers.values()}):
            s, b, ours[threads] = slipway(model, threads)
            seconds.setdefault(("slipway", threads), []).append(s)
            busy.setdefault(("slipway", threads), []).append(b)
        for name, (threads, explain, same) in peers.items():
            s, b, values = timed(explain)
            seconds.setdefault((name, threads), []).append(s)
            busy.setdefault((name, threads), []).append(b)
            if same:
                difference[name] = float(np.abs(values - ours[threads]).max())
    print(f"{title}, {ROWS} rows")
    ratios = []
    for (name, threads), s in seconds.items():
        s, b = statistics.median(s), statistics.median(busy[(name, threads)])
        line = f"  {name.split()[0]:12} {threads} threads  {s:9.3f} s  of the processor {b:9.3f} s"
        if name != "slipway":
            # Of both, the lesser: where others use the machine too, seconds that pass say little.
            ratio = s / statistics.median(seconds[("slipway", threads)])
            of_processor = b / statistics.median(busy[("slipway", threads)])
            ratios.append((min(ratio, of_processor), name, threads))
            line += f"  ratios {ratio:5.1f} {of_processor:5.1f}"
            line += f"  largest difference {difference[name]:.1e}" if name in difference else "  (a model of its own)"
        print(line, flush=True)
    return ratios


rows.tofile(os.path.join(FOLDER, "rows"))
ratios = []

booster = xgboost.train({"max_depth": DEPTH, "eta": 0.1, "tree_method": "hist", "nthread": 2, "min_child_weight": 5,
                         "seed": SEED}, xgboost.DMatrix(x, y), TREES)
model = os.path.join(FOLDER, "xgboost.onnx")
shape = from_xgboost(booster, model)


def xgboost_with(threads):
    def explain():
        booster.set_param({"nthread": threads})
        return booster.predict(xgboost.DMatrix(rows, nthread=threads), pred_contribs=True)
    return explain


peers = {"xgboost 2": (2, xgboost_with(2), True), "xgboost 1": (1, xgboost_with(1), True)}
ratios += compare(f"xgboost's model: {shape}", model, peers)

booster2 = lightgbm.train({"num_leaves": 2 ** DEPTH, "max_depth": DEPTH, "learning_rate": 0.1, "objective": "l2",
                           "min_data_in_leaf": 5, "num_threads": 2, "seed": SEED, "verbose": -1},
                          lightgbm.Dataset(x, y), TREES)
model = os.path.join(FOLDER, "lightgbm.onnx")
shape = from_lightgbm(booster2, model)
peers = {"lightgbm 2": (2, lambda: booster2.predict(rows, pred_contrib=True, num_threads=2), True),
         "lightgbm 1": (1, lambda: booster2.predict(rows, pred_contrib=True, num_threads=1), True)}
explainer = shap.TreeExplainer(booster2, feature_perturbation="tree_path_dependent")
# For this library shap's explainer hands over to lightgbm itself; its own code is asked for here.
explainer.model.original_model = None
explainer.model.model_type = "internal"
peers["shap 1"] = (1, lambda: with_base(explainer), True)
if FAST:
    text = os.path.join(FOLDER, "lightgbm.txt")
    booster2.save_model(text)
    for threads in (1, 2):
        peers[f"fasttreeshap {threads}"] = (threads, lambda threads=threads: fast(text, threads), True)
cat = catboost.CatBoostRegressor(iterations=TREES, depth=DEPTH, learning_rate=0.1, thread_count=2, verbose=False,
                                 random_seed=SEED, allow_writing_files=False).fit(x, y)
pool = catboost.Pool(rows)
for threads in (1, 2):
    peers[f"catboost {threads}"] = (
        threads, lambda threads=threads: cat.get_feature_importance(pool, type="ShapValues", thread_count=threads),
        False)
ratios += compare(f"lightgbm's model: {shape}", model, peers)

ratio, name, threads = min(ratios)
print(f"bench explain: ratio={ratio:.2f} goal=3.00 peer={name.replace(' ', '_')} " + ("ok" if ratio >= 3 else "short"))
