"""A peer: the same forest in scikit-learn behind BentoML."""
# SPDX-License-Identifier: Apache-2.0
import os

import bentoml
import joblib
import pandas


@bentoml.service(workers=1)
class Titanic:
    def __init__(self):
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, rows: list[dict]) -> list[list[float]]:
        return self.model.predict_proba(pandas.DataFrame(rows)).tolist()
