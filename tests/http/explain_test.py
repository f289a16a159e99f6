# Explained predictions: the route, the member of a body, both forms, what is refused, and that they leave others alone.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import threading
import unittest

from helpers.nets import row, write_net
from helpers.service import PASSENGER, PREDICT, ServiceTest, get, post

EXPLAIN = "/api/v1/models/titanic/explain"
ROWS = [PASSENGER, {**PASSENGER, "sex": "female", "pclass": 1}, {**PASSENGER, "age": None},
        {**PASSENGER, "embarked": "nowhere"}]


def body(**members):
    return json.dumps({"rows": ROWS, **members}).encode()


class Explain(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deploy(write_net(os.path.join(cls.folder, "net.onnx"), width=8, layers=2))

    def setUp(self):
        self.wait_until(lambda: self.server.metric("slipway_models_serving") == 3)

    def ask(self, data=None, path=EXPLAIN, status=200):
        answer = self.server.ask(post(body() if data is None else data, path))
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def refused(self, data, code, path=EXPLAIN, status=422, **members):
        problem = self.ask(data, path, status)
        self.assertEqual(problem["code"], code, problem)
        for key, value in members.items():
            self.assertEqual(problem.get(key), value, problem)
        return problem["detail"]

    def test_contributions_add_up_to_the_answer(self):
        answer = self.ask()
        self.assertEqual((answer["model"], answer["version"], answer["space"]), ("titanic", 1, "probability"))
        plain = self.ask(path=PREDICT)["predictions"]
        self.assertNotIn("explanation", plain[0])
        for got, want in zip(answer["predictions"], plain):
            why = got.pop("explanation")
            self.assertEqual(got, want)
            self.assertEqual(why["class"], got["label"])
            self.assertEqual(set(why["contributions"]), set(PASSENGER))
            self.assertAlmostEqual(why["base"] + sum(why["contributions"].values()), why["explained"], delta=1e-9)
            self.assertAlmostEqual(why["explained"], got["probabilities"][str(got["label"])], delta=1e-6)

    def test_the_member_of_a_prediction_says_the_same(self):
        want = self.ask()
        self.assertEqual(self.ask(body(explain=True), PREDICT), want)
        self.assertEqual(self.ask(json.dumps({"explain": {}, "rows": ROWS}).encode(), PREDICT), want)
        self.assertNotIn("space", self.ask(body(explain=False), PREDICT))

    def test_one_class_and_the_largest(self):
        one = self.ask(body(explain={"class": 1}))["predictions"]
        other = self.ask(body(explain={"class": "0"}))["predictions"]
        for a, b in zip(one, other):
            self.assertEqual((a["explanation"]["class"], b["explanation"]["class"]), (1, 0))
            for name, value in a["explanation"]["contributions"].items():
                self.assertAlmostEqual(value, -b["explanation"]["contributions"][name], delta=1e-12)
        for short, full in zip(self.ask(body(explain={"class": 1, "top": 2}))["predictions"], one):
            short, full = short["explanation"], full["explanation"]
            largest = sorted(full["contributions"].values(), key=abs, reverse=True)[:2]
            self.assertEqual([abs(v) for v in short["contributions"].values()], [abs(v) for v in largest])
            total = short["base"] + short["others"] + sum(short["contributions"].values())
            self.assertAlmostEqual(total, short["explained"], delta=1e-9)

    def test_columns(self):
        columns = {k: [r[k] for r in ROWS] for k in PASSENGER}
        got = self.ask(json.dumps({"columns": columns}).encode())
        by_row = [p["explanation"] for p in self.ask()["predictions"]]
        why = got["explanations"]
        self.assertEqual(why["class"], got["columns"]["label"])
        self.assertEqual(why["base"], [x["base"] for x in by_row])
        self.assertEqual(why["explained"], [x["explained"] for x in by_row])
        for name in PASSENGER:
            self.assertEqual(why["contributions"][name], [x["contributions"][name] for x in by_row])

    def test_a_row_is_explained_the_same_alone_and_among_many(self):
        rows = [{**PASSENGER, "age": i, "fare": 2.5 * i} for i in range(300)]
        together = self.ask(json.dumps({"rows": rows}).encode())["predictions"]
        for i in (0, 127, 128, 299):
            alone = self.ask(json.dumps({"rows": [rows[i]]}).encode())["predictions"][0]
            self.assertEqual(alone, together[i])

    def test_a_value(self):
        path = "/api/v1/models/diabetes/"
        api = self.server.ask(get("/openapi.json")).json()
        example = api["paths"][path + "predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
        answer = self.ask(json.dumps(example).encode(), path + "explain")
        self.assertEqual(answer["space"], "value")
        p = answer["predictions"][0]
        self.assertNotIn("class", p["explanation"])
        self.assertAlmostEqual(p["explanation"]["explained"], p["value"], delta=1e-3)
        self.refused(json.dumps({**example, "explain": {"class": 1}}).encode(), "unknown_class", path + "explain")

    def test_what_is_refused(self):
        said = self.refused(json.dumps({"rows": [row()]}).encode(), "not_explainable", "/api/v1/models/net/explain")
        self.assertIn("cannot be explained", said)
        self.refused(body(explain={"class": "maybe"}), "unknown_class", pointer="/explain/class")
        self.refused(body(explain={"top": 0}), "out_of_range", pointer="/explain/top")
        self.refused(body(explain=7), "wrong_type", pointer="/explain")
        columns = {k: [v] for k, v in PASSENGER.items()}
        self.refused(json.dumps({"columns": columns, "explain": {"top": 1}}).encode(), "wrong_shape",
                     pointer="/explain/top")
        self.refused(body(), "unknown_model", "/api/v1/models/nobody/explain", status=404)

    def test_predictions_go_on_while_rows_are_explained(self):
        rows = json.dumps({"rows": [{**PASSENGER, "age": i % 90} for i in range(5000)]}).encode()
        statuses = []

        def load():
            statuses.append(self.server.ask(post(rows, EXPLAIN)).status)

        threads = [threading.Thread(target=load) for _ in range(6)]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            self.assertEqual(self.server.ask(post()).status, 200)
        for t in threads:
            t.join()
        self.assertIn(200, statuses)
        self.assertLessEqual(set(statuses), {200, 503})

    def test_graphql_says_the_same(self):
        query = ("query($r: [JSON!]!) {predict(model: \"titanic\", rows: $r, explain: true) {rows {label explanation "
                 "{space class base explained contributions {column value}}}}}")
        answer = self.ask(json.dumps({"query": query, "variables": {"r": ROWS}}).encode(), "/graphql")
        for got, want in zip(answer["data"]["predict"]["rows"], self.ask()["predictions"]):
            got, want = got["explanation"], want["explanation"]
            self.assertEqual(got.pop("space"), "probability")
            got["contributions"] = {c["column"]: c["value"] for c in got["contributions"]}
            self.assertEqual(got, want)
        query = query.replace(", explain: true", "")
        answer = self.ask(json.dumps({"query": query, "variables": {"r": ROWS}}).encode(), "/graphql")
        self.assertIsNone(answer["data"]["predict"]["rows"][0]["explanation"])

    def test_the_description_knows_it(self):
        api = self.server.ask(get("/openapi.json")).json()
        self.assertIn("/api/v1/models/{name}/explain", api["paths"])
        self.assertIn("explain", api["components"]["schemas"])


if __name__ == "__main__":
    unittest.main()
