"""Drift as a client sees it: of one column, of scores, of unknown and missing values; and of what has no baseline."""
# SPDX-License-Identifier: Apache-2.0
import csv
import json
import os
import unittest

from helpers.service import EXAMPLES, Server, ServiceTest, get, post

COLUMNS = ("pclass", "sex", "age", "sibsp", "parch", "fare", "embarked")


def passengers():
    with open(os.path.join(EXAMPLES, "titanic.csv"), newline="") as f:
        for row in csv.DictReader(f):
            yield {k: (v if k in ("sex", "embarked") else float(v)) if v not in ("", "NA") else None
                   for k, v in row.items() if k in COLUMNS}


class Drift(ServiceTest):
    def serve(self, *arguments):
        server = Server(self.environment, *arguments)
        self.addCleanup(server.stop)
        return server

    def send(self, server, change=lambda row: row):
        rows = [change(dict(row)) for row in passengers()]
        with server.client() as c:
            for first in range(0, len(rows), 100):
                answer = c.ask(post(json.dumps({"rows": rows[first:first + 100]}).encode()))
                self.assertEqual(answer.status, 200, answer.body)
        return len(rows)

    def drift(self, server, model="titanic", version="1"):
        answer = server.ask(get(f"/api/v1/models/{model}/versions/{version}/drift"))
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def test_the_same_rows_are_stable(self):
        server = self.serve("--drift-window", "600")
        fresh = self.drift(server)
        self.assertEqual((fresh["rows"], fresh["verdict"], fresh["worst"]), (0, None, None))
        n = self.send(server)
        drift = self.drift(server, version="production")
        self.assertEqual((drift["model"], drift["version"], drift["rows"], drift["window_s"]), ("titanic", 1, n, 600))
        self.assertEqual([c["name"] for c in drift["columns"]], list(COLUMNS))
        for one in [*drift["columns"], drift["scores"], drift["classes"]]:
            self.assertEqual(one["verdict"], "stable", one)
            self.assertAlmostEqual(sum(b["live"] for b in one["bins"]) + one["missing"]["live"], 1)
            self.assertAlmostEqual(sum(b["baseline"] for b in one["bins"]) + one["missing"]["baseline"], 1)
        self.assertEqual(drift["verdict"], "stable")
        self.assertEqual(drift["baseline"]["rows"] + drift["baseline"]["score_rows"], n)

    def test_one_column_moves(self):
        server = self.serve()
        self.send(server, lambda row: {**row, "age": row["age"] and row["age"] + 25})
        columns = {c["name"]: c for c in self.drift(server)["columns"]}
        self.assertEqual({n for n, c in columns.items() if c["verdict"] != "stable"}, {"age"})
        self.assertEqual(columns["age"]["verdict"], "drifted")
        self.assertEqual(self.drift(server)["worst"], "age")
        text = server.ask(get("/metrics")).body.decode()
        values = {line.split('column="')[1].split('"')[0]: float(line.split()[-1])
                  for line in text.splitlines() if line.startswith("slipway_drift_psi{model=\"titanic\"")}
        self.assertEqual(set(values), set(COLUMNS))
        self.assertGreater(values.pop("age"), 0.25)
        self.assertLess(max(values.values()), 0.1)

    def test_unknown_and_missing(self):
        server = self.serve()
        n = self.send(server, lambda row: {**row, "embarked": "Z" if row["embarked"] == "S" else row["embarked"],
                                           "fare": None})
        columns = {c["name"]: c for c in self.drift(server)["columns"]}
        there = sum(1 for row in passengers() if row["embarked"] == "S")
        self.assertAlmostEqual(columns["embarked"]["unknown"], there / n)
        self.assertNotIn("unknown", columns["fare"])
        self.assertEqual(columns["fare"]["missing"]["live"], 1)
        self.assertLess(columns["fare"]["missing"]["baseline"], 0.01)
        self.assertEqual({n for n, c in columns.items() if c["verdict"] == "drifted"}, {"embarked", "fare"})
        self.assertAlmostEqual(server.metric("slipway_drift_unknown_ratio"), there / n, places=6)

    def test_scores_move_with_what_they_depend_on(self):
        server = self.serve()
        self.send(server, lambda row: {**row, "sex": "female", "pclass": 1})
        drift = self.drift(server)
        self.assertEqual(drift["scores"]["verdict"], "drifted")
        self.assertEqual(drift["classes"]["verdict"], "drifted")
        self.assertGreater(server.metric("slipway_drift_score_psi"), 0.25)

    def test_few_rows_have_no_verdict(self):
        server = self.serve()
        body = json.dumps({"rows": [next(passengers())] * 100}).encode()
        self.assertEqual(server.ask(post(body)).status, 200)
        drift = self.drift(server)
        self.assertEqual((drift["rows"], drift["rows_min"], drift["verdict"]), (100, 500, None))
        self.assertGreater(drift["columns"][2]["psi"], 1)
        self.assertIsNone(drift["columns"][2]["verdict"])
        self.assertNotIn("slipway_drift_psi{model=\"titanic\"", server.ask(get("/metrics")).body.decode())
        self.assertEqual(server.metric("slipway_drift_rows"), 100)

    def test_what_waits_in_a_queue_is_counted_too(self):
        server = self.serve("--isolate", "always")
        n = self.send(server)
        drift = self.drift(server)
        self.assertEqual((drift["rows"], drift["verdict"]), (n, "stable"))

    def test_of_values(self):
        server = self.serve()
        with open(os.path.join(EXAMPLES, "diabetes.csv"), newline="") as f:
            rows = [{k: float(v) for k, v in row.items() if k != "progression"} for row in csv.DictReader(f)]
        for change, verdict in ((0, "stable"), (60, "drifted")):
            rows = [{**row, "bmi": row["bmi"] + change} for row in rows]
            for first in range(0, 2 * len(rows), 100):
                body = json.dumps({"rows": (rows + rows)[first:first + 100]}).encode()
                self.assertEqual(server.ask(post(body, "/api/v1/models/diabetes/predict")).status, 200)
            drift = self.drift(server, "diabetes")
            self.assertNotIn("classes", drift)
            self.assertEqual(drift["scores"]["verdict"], verdict, drift["scores"])

    def test_by_graphql(self):
        server = self.serve()
        self.send(server, lambda row: {**row, "age": 80})
        query = '{model(name:"titanic"){version(version:1){drift}}}'
        answer = server.ask(post(json.dumps({"query": query}).encode(), "/graphql")).json()
        drift = answer["data"]["model"]["version"]["drift"]
        self.assertEqual((drift["worst"], drift["verdict"]), ("age", "drifted"))

    def test_what_is_not_there(self):
        self.assertEqual(self.server.ask(get("/api/v1/models/none/versions/1/drift")).status, 404)
        self.assertEqual(self.server.ask(get("/api/v1/models/titanic/versions/9/drift")).status, 404)

    def test_without_a_baseline(self):
        with open(self.train("iris", "species", 3), "rb") as f:
            model = f.read()
        # A key of the same length that nobody knows: for its reader a model made elsewhere.
        self.assertEqual(model.count(b"slipway.manifest"), 1)
        path = os.path.join(self.folder, "foreign.onnx")
        with open(path, "wb") as f:
            f.write(model.replace(b"slipway.manifest", b"another.manifest"))
        self.deploy(path)
        server = self.serve()
        drift = self.drift(server, "foreign")
        self.assertIsNone(drift["baseline"])
        self.assertIn("without a baseline", drift["note"])
        self.assertIn('slipway_drift_watched{model="foreign",version="1"} 0',
                      server.ask(get("/metrics")).body.decode())


if __name__ == "__main__":
    unittest.main()
