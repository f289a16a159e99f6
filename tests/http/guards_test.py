# Each guard, end to end: a canary that fails, one that is slow, one whose scores are others. Each is taken back by itself, with the reason in the registry, the audit log and the metrics.
# SPDX-License-Identifier: Apache-2.0
import csv
import json
import os
import unittest

from helpers.nets import row, write_net
from helpers.service import EXAMPLES, PASSENGER, ServiceTest, get, post, run

DROP = ("--drop", "name,ticket,cabin,home.dest")
FOUR = [{**PASSENGER, "sex": sex, "pclass": pclass} for sex in ("male", "female") for pclass in (1, 3)]


def call(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else b""
    kind = "Content-Type: application/json\r\n" if data else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{kind}Content-Length: {len(data)}\r\n\r\n".encode() + data


class Guards(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        data = os.path.join(cls.folder, "turned.csv")
        with open(os.path.join(EXAMPLES, "titanic.csv"), newline="") as f, open(data, "w", newline="") as to:
            rows = csv.DictReader(f)
            out = csv.DictWriter(to, rows.fieldnames)
            out.writeheader()
            for one in rows:
                one["survived"] = {"0": "1", "1": "0"}.get(one["survived"], one["survived"])
                out.writerow(one)
        path = os.path.join(cls.folder, "turned.onnx")
        run(cls.environment, "train", data, "--target", "survived", "--set", "n_trees=10", "--set", "depth_max=4",
            "-o", path, *DROP)
        cls.deploy(path, "--name", "titanic")  # 2: whoever lived has died
        cls.deploy(cls.train("titanic", "survived", 10, "--drop", "name,ticket,cabin,home.dest,age,embarked",
                             output="third.onnx"), "--name", "titanic")  # 3: knows no age
        run(cls.environment, "alias", "titanic", "production", "1")
        for seed, layers in ((1, 2), (2, 600)):
            path = write_net(os.path.join(cls.folder, f"net{seed}.onnx"), width=64, layers=layers, seed=seed)
            cls.deploy(path, "--name", "net", "--alias", "production" if seed == 1 else "next")

    def setUp(self):
        self.wait_until(lambda: self.deployment("titanic").get("primary") == 1)

    def deployment(self, model):
        answer = self.server.ask(get(f"/api/v1/models/{model}/deployment"))
        return answer.json() if answer.status == 200 else {}

    def start(self, model, canary, **guards):
        off = {"error_permille": 0, "latency_percent": 0, "psi_permille": 0, "requests_min": 50, "window_s": 60}
        answer = self.server.ask(call("PUT", f"/api/v1/models/{model}/deployment",
                                      {"canary": canary, "weight": 500, "guards": {**off, **guards}}))
        self.assertEqual(answer.status, 200, answer.body)
        self.wait_until(lambda: all((self.deployment(model)["canary"] or {}).get("loaded") for _ in range(8)))

    def ask_until_over(self, model, body):
        with self.server.client() as c:
            for i in range(20000):
                c.ask(post(body, f"/api/v1/models/{model}/predict"))
                if i % 100 == 99 and self.deployment(model)["canary"] is None:
                    return
        self.fail(f"it was not taken back: {self.deployment(model)}")

    def check_taken_back(self, model, canary, reason):
        event = self.deployment(model)["events"][0]
        self.assertEqual((event["event"], event["canary"], event["detail"]["broken"]), ("rolled_back", canary, reason))
        audit = json.loads(run(self.environment, "audit", "list", "--json"))
        last = [a for a in audit if a["action"] == "deployment.rolled_back"][-1]
        self.assertEqual(last["object"], f"{model}@{canary}")
        self.assertIn(reason, json.dumps(last["detail"]))
        text = self.server.ask(get("/metrics")).body.decode()
        self.assertIn(f'slipway_canaries_taken_back_total{{model="{model}",reason="{reason}"}} 1\n', text)
        self.wait_until(lambda: "slipway_canary_weight_ratio{" not in self.server.ask(get("/metrics")).body.decode())
        return event["detail"]

    def test_one_that_fails(self):
        self.start("titanic", 3, error_permille=20)
        text = self.server.ask(get("/metrics")).body.decode()
        self.assertIn('slipway_canary_weight_ratio{model="titanic",version="3"} 0.5\n', text)
        self.ask_until_over("titanic", json.dumps({"rows": FOUR}).encode())
        detail = self.check_taken_back("titanic", 3, "error_rate")
        self.assertGreater(detail["error_rate"][1], 0.9)
        self.assertEqual(detail["error_rate"][0], 0)

    def test_one_that_is_slow(self):
        self.start("net", 2, latency_percent=200)
        self.ask_until_over("net", json.dumps({"rows": [row()]}).encode())
        detail = self.check_taken_back("net", 2, "latency")
        self.assertGreater(detail["p95_us"][1], 2 * detail["p95_us"][0])

    def test_one_whose_scores_shift(self):
        self.start("titanic", 2, psi_permille=250)
        self.ask_until_over("titanic", json.dumps({"rows": FOUR}).encode())
        detail = self.check_taken_back("titanic", 2, "scores")
        self.assertGreater(detail["psi"], 0.25)

    def test_one_that_is_sound_stays(self):
        self.start("titanic", 2, error_permille=20)  # its scores are others, but nobody looks at those
        with self.server.client() as c:
            for _ in range(400):
                self.assertEqual(c.ask(post()).status, 200)
        text = self.server.ask(get("/metrics")).body.decode()
        self.assertIn('slipway_version_seconds_count{model="titanic",version="2"} ', text)
        self.assertEqual(self.deployment("titanic")["canary"]["version"], 2)
        query = "{deployments {model canary {version loaded weight requests failed p95us since}}}"
        answer = self.server.ask(post(json.dumps({"query": query}).encode(), "/graphql")).json()
        canary = next(d["canary"] for d in answer["data"]["deployments"] if d["model"] == "titanic")
        self.assertEqual((canary["version"], canary["loaded"], canary["weight"], canary["failed"]), (2, True, 500, 0))
        self.assertGreater(canary["requests"], 100)
        self.assertEqual(self.server.ask(call("POST", "/api/v1/models/titanic/deployment/rollback")).status, 200)
        self.wait_until(lambda: self.deployment("titanic")["canary"] is None)


if __name__ == "__main__":
    unittest.main()
