#!/usr/bin/env python3
# Writes prepare.json: a small table and what scikit-learn makes of it. Run with scikit-learn 1.9.1 and numpy 2.4.6.
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib

import numpy as np
import sklearn
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

SEED, ROWS, TRAIN = 7, 80, 60
assert sklearn.__version__ == "1.9.1" and np.__version__ == "2.4.6"
rng = np.random.RandomState(SEED)


def with_missing(values, share):
    gone = rng.rand(len(values)) < share
    return [None if g else v for v, g in zip(values, gone)]


columns = [
    {"name": "height", "type": "real", "values": with_missing([round(v, 3) for v in rng.normal(170, 9, ROWS)], 0.2)},
    {"name": "children", "type": "integer", "values": with_missing([int(v) for v in rng.poisson(2, ROWS)], 0.15)},
    {"name": "late", "type": "integer", "values": [int(v) for v in rng.randint(-5, 5, TRAIN)] + [None] * 5
     + [int(v) for v in rng.randint(-50, 50, ROWS - TRAIN - 5)]},
    {"name": "smoker", "type": "boolean", "values": with_missing([int(v) for v in rng.rand(ROWS) < 0.3], 0.1)},
    {"name": "since", "type": "datetime", "values": with_missing([1700000000000 + 86400000 * int(v)
                                                                 for v in rng.randint(0, 900, ROWS)], 0.1)},
    {"name": "town", "type": "category", "values": with_missing(
        [["Zürich", "aachen", "Bonn", "é", "Aachen"][int(v)] for v in rng.randint(0, 5, TRAIN)]
        + [["Bonn", "Nowhere"][int(v)] for v in rng.randint(0, 2, ROWS - TRAIN)], 0.15)},
    {"name": "size", "type": "category", "values": [["S", "M", "L"][int(v)] for v in rng.randint(0, 3, ROWS)]},
]
for c in columns:  # unseen rows have a missing value that training rows never have
    if c["name"] == "size":
        c["values"][TRAIN + 3] = None
of = {c["name"]: c["values"] for c in columns}
NUMBERS, BOOLEANS, DATES, TEXTS = ["height", "children", "late"], ["smoker"], ["since"], ["town", "size"]
earliest = min(v for v in of["since"][:TRAIN] if v is not None)


def floats(names):
    table = [[np.nan if v is None else float(v - earliest if n == "since" else v) for v in of[n]] for n in names]
    return np.array(table, dtype=np.float64).T


def texts(names):
    return np.array([of[n] for n in names], dtype=object).T


def numbers(strategy, scaler, fill=None, ddof=0):
    scaled, plain = floats(NUMBERS + DATES), floats(BOOLEANS)
    if strategy != "none":
        keep = {"keep_empty_features": True, "strategy": strategy, "fill_value": fill}
        date_fill = None if fill is None else fill - earliest
        number_imputer, plain_imputer = SimpleImputer(**keep), SimpleImputer(**keep)
        date_imputer = SimpleImputer(**dict(keep, fill_value=date_fill))
        n = len(NUMBERS)
        number_imputer.fit(scaled[:TRAIN, :n])
        date_imputer.fit(scaled[:TRAIN, n:])
        scaled = np.hstack([number_imputer.transform(scaled[:, :n]), date_imputer.transform(scaled[:, n:])])
        plain = plain_imputer.fit(plain[:TRAIN]).transform(plain)
    if scaler is not None:
        scaler.fit(scaled[:TRAIN])
        scaled = scaler.transform(scaled)
        if ddof:  # scikit-learn has ddof 0 only; the other is NumPy's
            assert strategy != "none"
            scaled *= np.sqrt((TRAIN - ddof) / TRAIN)
    n = len(NUMBERS)
    return np.hstack([scaled[:, :n], plain, scaled[:, n:]])  # as the frame has them, dates last


def categories(strategy, encoder, fill=None):
    t = texts(TEXTS)
    if strategy == "none":
        t = np.where(t == None, "", t)  # noqa: E711, element by element
    else:
        t = SimpleImputer(missing_values=None, strategy=strategy, fill_value=fill).fit(t[:TRAIN]).transform(t)
    return encoder.fit(t[:TRAIN]).transform(t)


def marks(names, table, missing):
    m = MissingIndicator(missing_values=missing, features="missing-only", error_on_new=False)
    return m.fit(table[:TRAIN]).transform(table).astype(np.float64)


def one_hot():
    return OneHotEncoder(handle_unknown="ignore", sparse_output=False)


def ordinal():
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


ALL = NUMBERS + BOOLEANS + DATES
cases = [
    ({"impute_number": "median", "impute_text": "none", "scale": "standard", "encode": "one-hot"},
     [numbers("median", StandardScaler()), categories("none", one_hot())]),
    ({"impute_number": "mean", "impute_text": "mode", "scale": "standard", "ddof": 1, "encode": "one-hot"},
     [numbers("mean", StandardScaler(), ddof=1), categories("most_frequent", one_hot())]),
    ({"impute_number": "mode", "impute_text": "mode", "scale": "minmax", "encode": "ordinal", "indicator": True},
     [numbers("most_frequent", MinMaxScaler()), categories("most_frequent", ordinal()),
      marks(ALL, floats(ALL), np.nan), marks(TEXTS, texts(TEXTS), None)]),
    ({"impute_number": "constant", "constant_number": -3, "impute_text": "constant", "constant_text": "missing",
      "scale": "none", "encode": "one-hot", "indicator": True},
     [numbers("constant", None, fill=-3), categories("constant", one_hot(), fill="missing"),
      marks(ALL, floats(ALL), np.nan), marks(TEXTS, texts(TEXTS), None)]),
    ({"impute_number": "constant", "constant_number": 0, "impute_text": "constant", "constant_text": "Bonn",
      "scale": "standard", "encode": "ordinal"},
     [numbers("constant", StandardScaler(), fill=0), categories("constant", ordinal(), fill="Bonn")]),
    ({"impute_number": "none", "impute_text": "none", "scale": "standard", "encode": "ordinal"},
     [numbers("none", StandardScaler()), categories("none", ordinal())]),
    ({"impute_number": "none", "impute_text": "none", "scale": "minmax", "encode": "one-hot"},
     [numbers("none", MinMaxScaler()), categories("none", one_hot())]),
]
lines = ['{"scikit-learn": "%s", "numpy": "%s", "seed": %d, "train": %d,' % (sklearn.__version__, np.__version__, SEED,
                                                                            TRAIN), '"columns": [']
lines.append(",\n".join(json.dumps(c, ensure_ascii=False) for c in columns))
lines.append('],\n"cases": [')
lines.append(",\n".join(json.dumps({"options": o, "want": [[None if np.isnan(v) else float("%.10g" % v) for v in row]
                                                          for row in np.hstack(parts)]}) for o, parts in cases))
lines.append("]}")
pathlib.Path(__file__).with_name("prepare.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
