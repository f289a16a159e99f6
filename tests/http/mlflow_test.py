# MLflow's scoring protocol, as its clients speak it: every form of a body, its errors, and which model is meant.
# SPDX-License-Identifier: Apache-2.0
import json
import unittest

from helpers.service import PASSENGER, PREDICT, Server, ServiceTest, get, post

COLUMNS = list(PASSENGER)
OTHER = {**PASSENGER, "sex": "female", "pclass": 1, "age": None}
ROWS = [PASSENGER, OTHER]
LISTS = [[row[name] for name in COLUMNS] for row in ROWS]


def invoke(body, **options):
    return post(json.dumps(body).encode() if not isinstance(body, bytes) else body, "/invocations", **options)


def csv(rows, columns=tuple(COLUMNS)):
    lines = [",".join(columns)]
    lines += [",".join("" if row.get(name) is None else str(row[name]) for name in columns) for row in rows]
    data = "\n".join(lines).encode() + b"\n"
    return invoke(data).replace(b"application/json", b"text/csv; charset=utf-8")


class Scoring(ServiceTest):
    arguments = ("--default-model", "titanic")

    def setUp(self):
        native = self.server.ask(post(json.dumps({"rows": ROWS}).encode(), PREDICT)).json()
        self.labels = [p["label"] for p in native["predictions"]]

    def same(self, body):
        answer = self.server.ask(body if isinstance(body, bytes) else invoke(body))
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"), answer.body)
        self.assertEqual(answer.json(), {"predictions": self.labels})

    def refused(self, body, status, code, *words):
        answer = self.server.ask(body if isinstance(body, bytes) and body.startswith(b"POST") else invoke(body))
        self.assertEqual((answer.status, answer.headers["content-type"]), (status, "application/json"), answer.body)
        self.assertEqual(sorted(answer.json()), ["error_code", "message"])
        self.assertEqual(answer.json()["error_code"], code)
        for word in words:
            self.assertIn(word, answer.json()["message"])

    def test_every_form(self):
        self.same({"dataframe_split": {"columns": COLUMNS, "data": LISTS}})
        self.same({"dataframe_split": {"index": [5, 6], "data": LISTS, "columns": COLUMNS}})
        backwards = {"columns": COLUMNS[::-1], "data": [row[::-1] for row in LISTS]}
        self.same({"dataframe_split": backwards})
        self.same({"dataframe_records": ROWS})
        self.same({"instances": ROWS})
        self.same({"inputs": ROWS})
        self.same({"inputs": {name: [row[name] for row in ROWS] for name in COLUMNS}})
        schema = self.server.ask(get("/api/v1/models/titanic")).json()["schema"]
        ordered = [[row[i["name"]] for i in schema["inputs"]] for row in ROWS]
        self.same({"instances": ordered})
        self.same({"inputs": ordered})
        self.same({"dataframe_split": {"data": ordered}})
        self.same(csv(ROWS))

    def test_columns_of_nobody_are_passed_over(self):
        more = [{"name": "x", "deep": {"a": [1, {}]}, **row, "ticket": [None]} for row in ROWS]
        self.same({"dataframe_records": more})
        self.same({"dataframe_split": {"columns": ["id", *COLUMNS, "z"], "data": [[1, *row, {}] for row in LISTS]}})
        self.same({"inputs": {"id": [1, 2], **{name: [row[name] for row in ROWS] for name in COLUMNS}}})
        self.same(csv([{"id": 7, **row} for row in ROWS], ("id", *COLUMNS)))

    def test_a_column_left_out_is_missing(self):
        without = [{k: v for k, v in row.items() if k != "age"} for row in ROWS]
        want = self.server.ask(post(json.dumps({"rows": without}).encode(), PREDICT)).json()
        want = [p["label"] for p in want["predictions"]]
        columns = [name for name in COLUMNS if name != "age"]
        for body in [invoke({"dataframe_records": without}), csv(without, columns)]:
            self.assertEqual(self.server.ask(body).json(), {"predictions": want})

    def test_nan_is_missing(self):
        lists = [[float("nan") if v is None else v for v in row] for row in LISTS]
        for split in [{"columns": COLUMNS, "data": lists}, {"data": lists, "columns": COLUMNS}]:
            self.assertIn("NaN", json.dumps(split))
            self.same({"dataframe_split": split})
        self.refused({"instances": [{**PASSENGER, "age": float("inf")}]}, 400, "BAD_REQUEST", "not JSON")

    def test_params(self):
        self.same({"dataframe_records": ROWS, "params": {}})
        self.same({"params": None, "instances": ROWS})
        self.refused({"dataframe_records": ROWS, "params": {"top_k": 3}}, 400, "INVALID_PARAMETER_VALUE", "params")
        self.refused({"dataframe_records": ROWS, "params": [1]}, 400, "INVALID_PARAMETER_VALUE")

    def test_what_does_not_fit(self):
        bad = "BAD_REQUEST"
        self.refused({}, 400, bad, "dataframe_split")
        self.refused({"columns": COLUMNS, "data": LISTS}, 400, bad, "dataframe_split")
        self.refused({"instances": ROWS, "inputs": ROWS}, 400, bad, "more than one")
        self.refused({"instances": ROWS, "instancez": 1}, 400, bad)
        self.refused({"instances": []}, 400, bad, "no rows")
        self.refused({"instances": {"age": [1]}}, 400, bad, "no array")
        self.refused({"dataframe_records": [[1]]}, 400, bad)
        self.refused({"dataframe_split": {"columns": COLUMNS}}, 400, bad, "data")
        self.refused({"dataframe_split": {"columns": COLUMNS, "data": [LISTS[0][1:]]}}, 400, bad, "row 0")
        self.refused({"dataframe_split": {"columns": [*COLUMNS, "age"], "data": [[*LISTS[0], 1]]}}, 400, bad, "twice")
        self.refused({"dataframe_split": {"columns": [1], "data": [[1]]}}, 400, bad)
        self.refused({"dataframe_records": [{**PASSENGER, "age": "old"}]}, 400, bad, "row 0", "age")
        self.refused(b'{"instances": [', 400, bad, "not JSON")
        self.refused(b"", 400, bad, "empty")
        self.refused(csv([{**PASSENGER, "age": "old"}]), 400, bad, "age")
        self.refused(csv([]), 400, bad)
        self.refused(invoke({"instances": ROWS}).replace(b"application/json", b"text/html"), 415, bad, "text/csv")
        answer = self.server.ask(get("/invocations"))
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST, OPTIONS"))
        self.assertEqual(answer.json()["error_code"], bad)

    def test_ping_and_version(self):
        for path in ["/ping", "/health"]:
            self.assertEqual(self.server.ask(get(path)).status, 200)
        self.assertEqual(self.server.ask(post(b"", "/ping")).status, 200)
        self.assertRegex(self.server.ask(get("/version")).body.decode(), r"^\d+\.\d+\.\d+\n$")


class WithoutDefault(ServiceTest):
    def test_two_models_and_no_default(self):
        answer = self.server.ask(invoke({"instances": ROWS}))
        self.assertEqual((answer.status, answer.json()["error_code"]), (400, "BAD_REQUEST"))
        self.assertIn("--default-model", answer.json()["message"])
        other = Server(self.environment, "--default-model", "diabetes")
        try:
            example = other.ask(get("/openapi.json")).json()["paths"]["/api/v1/models/diabetes/predict"]["post"]
            row = example["requestBody"]["content"]["application/json"]["example"]["rows"][0]
            answer = other.ask(invoke({"dataframe_records": [row, row]})).json()
            self.assertEqual([type(p) for p in answer["predictions"]], [float, float])
        finally:
            other.stop()
        unknown = Server(self.environment, "--default-model", "nobody")
        try:
            self.assertEqual(unknown.ask(get("/ping")).status, 404)
            answer = unknown.ask(invoke({"instances": ROWS}))
            self.assertEqual((answer.status, answer.json()["error_code"]), (404, "RESOURCE_DOES_NOT_EXIST"))
        finally:
            unknown.stop()


if __name__ == "__main__":
    unittest.main()
