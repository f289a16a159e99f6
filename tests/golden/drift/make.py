#!/usr/bin/env python3
# Writes drift.json: what was trained on, what came later, and NumPy's idea of how far apart they are. Run with numpy
# 2.4.6. The binning is written anew here, from docs/formats/package.md and docs/drift.md, with other means.
# SPDX-License-Identifier: Apache-2.0
import collections
import json
import pathlib

import numpy as np

SEED = 77
assert np.__version__ == "2.4.6"
rng = np.random.RandomState(SEED)


def index(now, before):
    now, before = np.asarray(now, float), np.asarray(before, float)
    a, e = (np.maximum(c / c.sum(), 1e-4) for c in (now, before))
    used = (now > 0) | (before > 0)
    chance = (used.sum() - 1) * (1 / now.sum() + 1 / before.sum())
    return float(((a - e) * np.log(a / e)).sum()), float(chance)


def numbers(name, train, live):
    train, live = np.float32(train), np.float32(live)
    there = train[~np.isnan(train)].astype(float)
    step = 1 if len(there) >= 500 else 2 if len(there) >= 250 else 5
    edges = np.unique(np.float32(np.quantile(there, np.arange(step, 10, step) / 10)))
    edges = edges[edges < np.float32(there.max())]

    def counted(values):
        values = values[~np.isnan(values)]
        return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)

    before = counted(train)
    # A bin that training left empty is one with the next that it did not.
    groups = np.concatenate([[0], np.cumsum(before > 0)[:-1]])
    groups = np.minimum(groups, (before > 0).sum() - 1)
    joined = lambda c: np.bincount(groups, weights=c)
    missing = [int(np.isnan(train).sum()), int(np.isnan(live).sum())]
    psi, chance = index([*joined(counted(live)), missing[1]], [*joined(before), missing[0]])
    as_list = lambda v: [None if np.isnan(x) else float(x) for x in v]
    return dict(name=name, train=as_list(train), live=as_list(live), psi=psi, by_chance=chance,
                missing=missing[1] / len(live), missing_before=missing[0] / len(train), unknown=0.0)


def texts(name, train, live):
    known = collections.Counter(filter(None, train))
    named = sorted(known, key=lambda k: (-known[k], k))[:20]
    named = sorted(k for k in named if known[k] >= 10)

    def counted(values):
        c = collections.Counter(v if v in named else "other" if v else "missing" for v in values)
        return [c[k] for k in [*named, "other", "missing"]]

    before, now = counted(train), counted(live)
    psi, chance = index(now, before)
    unknown = sum(bool(v) and v not in known for v in live)
    return dict(name=name, train=[str(v) for v in train], live=[str(v) for v in live], psi=psi, by_chance=chance,
                missing=now[-1] / len(live), missing_before=before[-1] / len(train), unknown=unknown / len(live))


def holes(values, share):
    values = np.asarray(values, float)
    values[rng.random_sample(len(values)) < share] = np.nan
    return values


letters = lambda n, weights: rng.choice(list("abcdefgh"), n, p=np.array(weights) / sum(weights))
many = lambda n: [f"v{int(x):02d}" for x in rng.geometric(0.06, n)]
cases = [
    numbers("the same", rng.normal(0, 1, 700), rng.normal(0, 1, 600)),
    numbers("shifted", holes(rng.normal(0, 1, 700), 0.1), holes(rng.normal(0.5, 1.2, 600), 0.3)),
    numbers("small whole numbers", rng.poisson(1.2, 700), rng.poisson(1.5, 640)),
    numbers("half of the bins", rng.gamma(2, 3, 300), rng.gamma(2, 2, 600)),
    numbers("two bins", rng.gamma(2, 3, 120), rng.gamma(3, 3, 600)),
    numbers("flags", rng.randint(0, 2, 700), rng.random_sample(600) < 0.7),
    texts("letters", letters(600, [30, 20, 10, 5, 5, 1, 1, 0]), letters(600, [20, 20, 20, 5, 5, 1, 1, 3])),
    texts("gone and new", letters(600, [5, 5, 0, 0, 0, 0, 0, 0]),
          ["" if i % 3 == 0 else v for i, v in enumerate(letters(600, [9, 0, 0, 1, 0, 0, 0, 0]))]),
    texts("many", many(900), many(700)),
]
path = pathlib.Path(__file__).with_name("drift.json")
path.write_text(json.dumps(dict(numpy=np.__version__, seed=SEED, cases=cases), separators=(",", ":")) + "\n")
