#!/usr/bin/env python3
"""Writes split_golden.h: test rows and folds of scikit-learn, as a checksum and the first rows, for split_test.c.

Made with Python 3.11, numpy 2.4.6, scikit-learn 1.9.1:  python split_golden.py > split_golden.h
"""
# SPDX-License-Identifier: Apache-2.0
import numpy
import sklearn
from sklearn.model_selection import KFold, train_test_split

CASES = [(n, seed, share) for n in (2, 3, 5, 10, 150, 569, 891, 65537, 200000) for seed in (0, 42, 4294967295)
         for share in (0.2, 0.25, 0.33)]


def checksum(rows):  # FNV-1a over 32-bit words
    h = 0xCBF29CE484222325
    for row in rows:
        h = (h ^ int(row)) * 0x100000001B3 & (2**64 - 1)
    return h


def main():
    print(f"// numpy {numpy.__version__}, scikit-learn {sklearn.__version__}; written by split_golden.py.")
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// clang-format off")
    print("static const split_case split_cases[] = { // n, seed, share, n_test, first of test, checksums of test and train")
    for n, seed, share in CASES:
        train, test = train_test_split(numpy.arange(n), test_size=share, random_state=seed)
        print(f"    {{{n}, {seed}u, {share}, {len(test)}, {test[0]}, 0x{checksum(test):x}u, 0x{checksum(train):x}u}},")
    print("};")
    print("static const fold_case fold_cases[] = { // n, seed, k, checksum of the fold of every row")
    for n, seed, k in ((10, 0, 3), (150, 42, 5), (891, 7, 10), (100003, 42, 4)):
        fold = numpy.zeros(n, dtype=int)
        for i, (_, test) in enumerate(KFold(k, shuffle=True, random_state=seed).split(numpy.zeros(n))):
            fold[test] = i
        print(f"    {{{n}, {seed}u, {k}, 0x{checksum(fold):x}u}},")
    print("};")
    print("// clang-format on")


main()
