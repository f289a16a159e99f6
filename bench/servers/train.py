"""train.py CSV OUT: the forest of bench/servers in scikit-learn: as many trees, as deep, the same columns."""
# SPDX-License-Identifier: Apache-2.0
import sys

import joblib
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

NUMBERS, TEXTS = ["pclass", "age", "sibsp", "parch", "fare"], ["sex", "embarked"]
data = pandas.read_csv(sys.argv[1])
prepare = ColumnTransformer([
    ("numbers", SimpleImputer(strategy="median"), NUMBERS),
    ("texts", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), TEXTS)])
model = make_pipeline(prepare, RandomForestClassifier(n_estimators=100, max_depth=5, n_jobs=1, random_state=1))
model.fit(data[NUMBERS + TEXTS], data["survived"])
joblib.dump(model, sys.argv[2])
