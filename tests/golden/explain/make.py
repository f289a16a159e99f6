#!/usr/bin/env python3
# Writes explain.json: forests of scikit-learn as ONNX, rows, and what shap's TreeExplainer (tree_path_dependent) says
# of them. Run with the packages of tests/requirements.txt and shap 0.51.0.
# SPDX-License-Identifier: Apache-2.0
import base64
import json
import pathlib

import numpy as np
import onnx
import shap
import sklearn
from onnx import TensorProto, helper
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

SEED = 20261
assert sklearn.__version__ == "1.9.1" and np.__version__ == "2.4.6" and shap.__version__ == "0.51.0"
rng = np.random.RandomState(SEED)


# The ensemble with each node's training weight in nodes_hitrates, which skl2onnx does not write.
def to_onnx(forest, n_features, classes):
    n = len(forest.estimators_)
    a = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
                         "missing_value_tracks_true", "hitrates")}
    w = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    two = classes is not None and len(classes) == 2
    for t, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        for i in range(tree.node_count):
            leaf = tree.children_left[i] < 0
            a["treeids"].append(t)
            a["nodeids"].append(i)
            a["featureids"].append(0 if leaf else int(tree.feature[i]))
            a["modes"].append("LEAF" if leaf else "BRANCH_LEQ")
            a["values"].append(0.0 if leaf else float(np.float32(tree.threshold[i])))
            a["truenodeids"].append(0 if leaf else int(tree.children_left[i]))
            a["falsenodeids"].append(0 if leaf else int(tree.children_right[i]))
            a["missing_value_tracks_true"].append(0 if leaf else int(tree.missing_go_to_left[i]))
            a["hitrates"].append(float(tree.weighted_n_node_samples[i]))
            if not leaf:
                continue
            value = tree.value[i][0]
            if classes is not None:
                value = value / value.sum()
            for k in range(len(value)):
                if two and k == 0:
                    continue
                w["treeids"].append(t)
                w["nodeids"].append(i)
                w["ids"].append(0 if two else k)
                w["weights"].append(float(np.float32(value[k] / n)))
    kind = "target" if classes is None else "class"
    attributes = {f"nodes_{k}": v for k, v in a.items()}
    attributes |= {f"{kind}_{k}": v for k, v in w.items()}
    if classes is None:
        attributes["n_targets"] = 1
    else:
        attributes["classlabels_int64s"] = [int(c) for c in classes]
    outputs = ["scores"] if classes is None else ["label", "scores"]
    node = helper.make_node("TreeEnsembleRegressor" if classes is None else "TreeEnsembleClassifier", ["x"], outputs,
                            domain="ai.onnx.ml", **attributes)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", n_features])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 1 if classes is None else len(classes)])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, ["N"])
    graph = helper.make_graph([node], "forest", [x], [scores] if classes is None else [label, scores])
    model = helper.make_model(graph, ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
    onnx.checker.check_model(model)
    return model.SerializeToString()


def case(name, forest, x, y, rows):
    forest.fit(x, y)
    classes = getattr(forest, "classes_", None)
    explainer = shap.TreeExplainer(forest, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(rows, check_additivity=True))
    base = np.atleast_1d(explainer.expected_value)
    n_outputs = 1 if classes is None else len(classes)
    values = values.reshape(len(rows), rows.shape[1], n_outputs)
    # Rows near a threshold would go another way in float32: none is.
    for estimator in forest.estimators_:
        tree = estimator.tree_
        for i in np.flatnonzero(tree.children_left >= 0):
            d = np.abs(rows[:, tree.feature[i]] - tree.threshold[i])
            assert np.nanmin(d) > 1e-5, name
    return {
        "name": name, "n_features": x.shape[1], "n_outputs": n_outputs,
        "onnx": base64.b64encode(to_onnx(forest, x.shape[1], classes)).decode(),
        "rows": [[None if np.isnan(v) else float(v) for v in row] for row in rows],
        "base": [float(v) for v in base],
        "values": values.transpose(2, 0, 1).tolist(),  # (outputs, rows, features)
    }


def data(n, n_features):
    return rng.normal(size=(n, n_features)).astype(np.float32).round(3)


def main():
    cases = []
    x = data(300, 6)
    y = (x[:, 0] * x[:, 1] + x[:, 2] > 0.2).astype(int)
    rows = (data(12, 6) + np.float32(0.00025)).astype(np.float32)
    cases.append(case("two classes", RandomForestClassifier(6, max_depth=5, random_state=1), x, y, rows))
    y = np.digitize(x[:, 0] + x[:, 3] ** 2, [0, 1.2])
    cases.append(case("three classes", RandomForestClassifier(4, max_depth=4, random_state=2), x, y, rows))
    y = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + 0.1 * x[:, 4]
    cases.append(case("a value", RandomForestRegressor(5, max_depth=6, random_state=3), x, y, rows))
    # Deep, and few features: each is asked many times on the way down. Weighted rows.
    x = data(200, 2)
    rows = (data(12, 2) + np.float32(0.00025)).astype(np.float32)
    cases.append(case("asked again", ExtraTreesRegressor(3, max_depth=12, random_state=4), x,
                      np.sign(x[:, 0] * x[:, 1]), rows))
    # More than eight features on one way: more than one group of points.
    x = data(250, 14)
    rows = (data(8, 14) + np.float32(0.00025)).astype(np.float32)
    cases.append(case("deep", ExtraTreesRegressor(2, max_depth=14, max_features=1, random_state=5), x,
                      x.sum(axis=1), rows))
    x = data(300, 4)
    x[rng.rand(*x.shape) < 0.15] = np.nan
    y = (np.nan_to_num(x[:, 0], nan=1.5) + np.nan_to_num(x[:, 1]) > 0).astype(int)
    rows = (data(12, 4) + np.float32(0.00025)).astype(np.float32)
    rows[rng.rand(*rows.shape) < 0.3] = np.nan
    cases.append(case("missing", RandomForestClassifier(5, max_depth=5, random_state=6), x, y, rows))
    out = pathlib.Path(__file__).with_name("explain.json")
    out.write_text(json.dumps({"scikit-learn": sklearn.__version__, "shap": shap.__version__, "seed": SEED,
                               "cases": cases}, separators=(",", ":")) + "\n")


main()
