#!/usr/bin/env python3
# Writes metrics.json: small cases with scikit-learn's answers. Run with scikit-learn 1.9.1 and numpy 2.4.6.
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m

SEED = 20240
assert sklearn.__version__ == "1.9.1" and np.__version__ == "2.4.6"
warnings.simplefilter("ignore")
rng = np.random.RandomState(SEED)


def number(x):
    return None if x is None or not np.isfinite(x) else float(x)


def classification(name, truth, scores):
    scores = np.asarray(scores, dtype=np.float32)
    n = scores.shape[1]
    wide = scores.astype(np.float64)
    said = scores.argmax(axis=1)
    labels = np.arange(n)
    average = dict(average="binary", pos_label=1) if n == 2 else dict(average="macro")
    # One class against the rest, also where scikit-learn refuses the matrix because rows do not add up to one.
    truth = np.asarray(truth)
    if n == 2:
        auc = m.roc_auc_score(truth, wide[:, 1])
    else:
        auc = np.mean([m.roc_auc_score(truth == c, wide[:, c]) for c in labels])
        if np.allclose(wide.sum(axis=1), 1) and len(np.unique(truth)) == n:
            assert auc == m.roc_auc_score(truth, wide, multi_class="ovr", labels=labels)
    try:
        loss = m.log_loss(truth, wide, labels=labels)
    except ValueError:
        loss = None
    p, r, f, s = m.precision_recall_fscore_support(truth, said, labels=labels, zero_division=0)
    return {
        "name": name, "n_classes": n, "truth": [int(t) for t in truth], "scores": [float(v) for v in scores.ravel()],
        "want": {
            "accuracy": m.accuracy_score(truth, said),
            "balanced_accuracy": m.balanced_accuracy_score(truth, said),
            "precision": m.precision_score(truth, said, zero_division=0, **average),
            "recall": m.recall_score(truth, said, zero_division=0, **average),
            "f1": m.f1_score(truth, said, zero_division=0, **average),
            "log_loss": number(loss), "roc_auc": number(auc),
        },
        "confusion": m.confusion_matrix(truth, said, labels=labels).ravel().tolist(),
        "by_class": [[float(p[c]), float(r[c]), float(f[c]), int(s[c])] for c in labels],
    }


def regression(name, truth, scores):
    truth = np.asarray(truth, dtype=np.float64)
    scores = np.asarray(scores, dtype=np.float32)
    wide = scores.astype(np.float64)
    constant = len(truth) < 2 or np.all(truth == truth[0])  # scikit-learn says 0 or 1 there; we say undefined
    return {
        "name": name, "truth": truth.tolist(), "scores": wide.tolist(),
        "want": {
            "mse": m.mean_squared_error(truth, wide), "rmse": m.root_mean_squared_error(truth, wide),
            "mae": m.mean_absolute_error(truth, wide), "r2": None if constant else m.r2_score(truth, wide),
        },
    }


def probabilities(n_rows, n_classes, grid=None):
    p = rng.dirichlet(np.full(n_classes, 0.7), size=n_rows)
    if grid:
        p = np.round(p[:, :-1] * grid) / grid
        p = np.column_stack([p, np.clip(1 - p.sum(axis=1), 0, 1)])
    return p


def case(name, n_rows, n_classes, grid=None, classes=None):
    classes = n_classes if classes is None else classes
    scores = probabilities(n_rows, n_classes, grid)
    drawn = np.array([rng.choice(n_classes, p=p / p.sum()) for p in scores])
    return classification(name, np.where(drawn < classes, drawn, 0), scores)


everything = {
    "scikit-learn": sklearn.__version__, "numpy": np.__version__, "seed": SEED,
    "classification": [
        case("two classes", 97, 2),
        case("two classes, many ties", 120, 2, grid=4),
        case("three classes", 90, 3),
        case("five classes, many ties", 150, 5, grid=8),
        case("a class that is not there", 60, 4, classes=3),
        case("one row", 1, 2),
        classification("one class only", [0] * 9, probabilities(9, 2)),
        classification("certain and wrong", [0, 1, 1, 0], [[1, 0], [1, 0], [0, 1], [0, 1]]),
        classification("all predicted as the first", [0, 1, 0, 1, 1], [[0.5, 0.5]] * 5),
        classification("a class neither there nor predicted", [0, 1, 1, 0], [[.7, .2, .1], [.6, .3, .1], [.1, .8, .1],
                                                                             [.5, .4, .1]]),
        classification("scores that do not add up to one", [0, 1, 2], [[.5, .2, .1], [.1, .9, .3], [.1, .1, .3]]),
        classification("scores that are no probabilities", [0, 1, 1, 0], [[-2, 2], [-1.5, 1.5], [-3, 3], [1, -1]]),
    ],
    "regression": [
        regression("noise", rng.normal(size=80) * 1e3, rng.normal(size=80) * 1e3),
        regression("good", t := rng.normal(size=80), t + rng.normal(size=80) * 0.1),
        regression("far from zero", t := 1e8 + rng.normal(size=40), np.float32(t)),
        regression("constant truth", [3, 3, 3], [3, 2, 1]),
        regression("one row", [1.5], [2.25]),
        regression("exact", [1, 2, 4], [1, 2, 4]),
    ],
}
out = pathlib.Path(__file__).with_name("metrics.json")
lines = []
for key, value in everything.items():
    one = isinstance(value, list)
    body = "[\n" + ",\n".join(json.dumps(v, allow_nan=False) for v in value) + "\n]" if one else json.dumps(value)
    lines.append(json.dumps(key) + ": " + body)
out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
