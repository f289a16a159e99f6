"""A peer: the same forest in scikit-learn behind FastAPI, as its users would write it."""
# SPDX-License-Identifier: Apache-2.0
import os

import joblib
import pandas
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load(os.environ["MODEL"])
app = FastAPI()


class Passenger(BaseModel):
    pclass: float
    sex: str
    age: float
    sibsp: float
    parch: float
    fare: float
    embarked: str


class Request(BaseModel):
    rows: list[Passenger]


@app.post("/predict")
async def predict(request: Request):
    rows = pandas.DataFrame([row.model_dump() for row in request.rows])
    scores = model.predict_proba(rows)
    return {"predictions": [{"label": int(label), "probabilities": {"0": row[0], "1": row[1]}}
                            for label, row in zip(scores.argmax(axis=1), scores.tolist())]}
