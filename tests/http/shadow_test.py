# A shadow: copies of requests are predicted and compared with what was answered, and nothing that it does is noticed by
# those who ask.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import random
import signal
import time
import unittest

from helpers.nets import row, write_net
from helpers.service import PASSENGER, ServiceTest, children, get, post, run

DROP = ("--drop", "name,ticket,cabin,home.dest")
MODEL = "/api/v1/models/titanic"


def call(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else b""
    kind = "Content-Type: application/json\r\n" if data else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{kind}Content-Length: {len(data)}\r\n\r\n".encode() + data


def passengers(n, seed):
    draw = random.Random(seed)
    return [{"pclass": draw.randint(1, 3), "sex": draw.choice(["male", "female"]),
             "age": draw.choice([None, draw.randint(1, 80)]), "sibsp": draw.randint(0, 3), "parch": draw.randint(0, 3),
             "fare": draw.uniform(5, 200), "embarked": draw.choice(["S", "C", "Q", None])} for _ in range(n)]


class Shadow(ServiceTest):
    arguments = ("--runner-ms", "1500")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deploy(cls.train("titanic", "survived", 3, *DROP, output="second.onnx"), "--name", "titanic")
        cls.deploy(cls.train("titanic", "survived", 10, "--drop", "name,ticket,cabin,home.dest,age,embarked",
                             output="third.onnx"), "--name", "titanic", "--alias", "odd")
        for seed in (1, 2):
            path = write_net(os.path.join(cls.folder, f"net{seed}.onnx"), width=16, layers=3, seed=seed)
            cls.deploy(path, "--name", "net", "--alias", "production" if seed == 1 else "next")
        run(cls.environment, "alias", "titanic", "production", "1")

    def setUp(self):
        self.wait_until(lambda: self.shadow("titanic", True).get("primary") == 1)

    def tearDown(self):
        for model in ("titanic", "net"):
            self.server.ask(call("DELETE", f"/api/v1/models/{model}/deployment/shadow"))
            self.wait_until(lambda: self.shadow(model) is None)

    def shadow(self, model="titanic", whole=False):
        answer = self.server.ask(get(f"/api/v1/models/{model}/deployment")).json()
        return answer if whole else answer["shadow"]

    def start(self, version, share=1000, model="titanic"):
        answer = self.server.ask(call("PUT", f"/api/v1/models/{model}/deployment/shadow",
                                      {"version": version, "share": share}))
        self.assertEqual(answer.status, 200, answer.body)
        self.wait_until(lambda: all((self.shadow(model) or {}).get("loaded") for _ in range(8)))

    def by_version(self, version, rows):
        query = "query($r: [JSON!]!) {predict(model: \"titanic\", version: \"%d\", rows: $r) {rows {label probability " \
                "probabilities {label probability}}}}" % version
        answer = self.server.ask(post(json.dumps({"query": query, "variables": {"r": rows}}).encode(), "/graphql"))
        return answer.json()["data"]["predict"]["rows"]

    def test_compared(self):
        """Bodies of one row to thousands, more bytes than wait at once; the shadow's figures are those worked out here."""
        self.start(2)
        draw = random.Random(7)
        sent = other = 0
        difference = 0.0
        with self.server.client() as c:
            for seed in range(60):
                rows = passengers(draw.choice([1, 1, 3, 20, 300, 2500]), seed)
                answer = c.ask(post(json.dumps({"rows": rows}).encode()))
                self.assertEqual((answer.status, answer.json()["version"]), (200, 1))
                sent += len(rows)
                seen = lambda: (lambda s: s["requests"] + s["dropped"]["busy"])(self.shadow())  # noqa: E731
                self.wait_until(lambda: seen() == seed + 1)
                theirs, ours = self.by_version(1, rows), self.by_version(2, rows)
                for a, b in zip(theirs, ours, strict=True):
                    other += a["label"] != b["label"]
                    difference += abs(a["probability"] - next(p["probability"] for p in b["probabilities"]
                                                              if p["label"] == a["label"]))
        shadow = self.shadow()
        self.assertEqual((shadow["requests"], shadow["rows"], shadow["failed"]), (60, sent, 0), shadow)
        self.assertEqual(shadow["dropped"], {"busy": 0, "too_large": 0})
        self.assertAlmostEqual(shadow["other_label"], other / sent, places=9)
        self.assertAlmostEqual(shadow["difference"], difference / sent, places=5)
        self.assertGreater(other, 0)
        self.assertGreater(shadow["p95_us"], 0)
        self.assertEqual(self.server.metric("slipway_shadow_rows_total"), sent)
        self.assertEqual(self.server.metric("slipway_shadow_other_label_total"), other)
        query = "{deployments {model canary {version} shadow {version loaded share fault requests rows failed dropped " \
                "otherLabel difference p95us since}}}"
        answer = self.server.ask(post(json.dumps({"query": query}).encode(), "/graphql")).json()
        told = {d["model"]: d for d in answer["data"]["deployments"]}
        self.assertIsNone(told["net"]["shadow"])
        self.assertIsNone(told["titanic"]["canary"])
        told = told["titanic"]["shadow"]
        self.assertEqual((told["version"], told["loaded"], told["share"], told["fault"]), (2, True, 1000, None))
        self.assertEqual((told["requests"], told["rows"], told["failed"], told["dropped"]), (60, sent, 0, 0))
        self.assertEqual((told["otherLabel"], told["since"]), (shadow["other_label"], shadow["since"]))
        text = self.server.ask(get("/metrics")).body.decode()
        self.assertIn('slipway_shadow_requests_total{model="titanic",version="2"} 60\n', text)

    def test_a_share(self):
        self.start(2, 250)
        with self.server.client() as c:
            for _ in range(1000):
                self.assertEqual(c.ask(post()).json()["version"], 1)
        time.sleep(0.2)
        taken = self.shadow()["requests"] + self.shadow()["dropped"]["busy"]
        self.assertTrue(180 < taken < 320, taken)  # five standard deviations are 68
        before = taken
        self.start(2, 1000)  # goes on counting
        self.wait_until(lambda: all(self.shadow()["share"] == 1000 for _ in range(8)))
        with self.server.client() as c:
            for _ in range(100):
                c.ask(post())
        self.wait_until(lambda: self.shadow()["requests"] + self.shadow()["dropped"]["busy"] == before + 100)
        # One that names its version, or that a canary answers, is not copied.
        events = [e["event"] for e in self.shadow(whole=True)["events"]]
        self.assertEqual(events[:2], ["shadow_changed", "shadow_started"])

    def test_one_that_would_refuse(self):
        self.start(3)
        self.assertIn('no column "age"', self.shadow()["fault"])
        for _ in range(5):
            self.assertEqual(self.server.ask(post()).json()["version"], 1)
        self.wait_until(lambda: self.shadow()["failed"] == 5)
        self.assertEqual(self.shadow()["requests"], 0)

    def test_one_that_hangs_or_dies(self):
        ask = post(json.dumps({"rows": [row()]}).encode(), "/api/v1/models/net/predict")
        self.wait_until(lambda: self.server.ask(ask).status == 200)
        self.start(2, model="net")  # its alias had it loaded: there is a runner for each
        self.wait_until(lambda: len(children(self.server.process.pid)) == 2)
        self.server.ask(ask)
        self.wait_until(lambda: self.shadow("net")["requests"] == 1)
        want = self.server.ask(ask).body
        for how in (signal.SIGSTOP, signal.SIGKILL):
            self.wait_until(lambda: len(children(self.server.process.pid)) == 2)
            pid = self.runner_of(2)
            failed = self.shadow("net")["failed"]
            os.kill(pid, how)
            with self.server.client() as c:
                for _ in range(50):
                    start = time.monotonic()
                    answer = c.ask(ask)
                    self.assertEqual((answer.status, answer.body), (200, want))
                    self.assertLess(time.monotonic() - start, 1)
            if how == signal.SIGSTOP:
                self.wait_until(lambda: self.shadow("net")["failed"] > failed)
            done = self.shadow("net")["requests"]
            self.wait_until(lambda: self.server.ask(ask).status == 200 and self.shadow("net")["requests"] > done)
        self.assertEqual(self.server.ask(get("/health/ready")).status, 200)

    def runner_of(self, version):
        for pid, _, _ in children(self.server.process.pid):
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f"net {version}".encode() in f.read():
                    return pid
        self.fail("there is no such runner")

    def test_refusals_and_ends(self):
        path = MODEL + "/deployment/shadow"
        for body, status in (({"version": 9}, 404), ({"version": 1}, 409), ({"version": 2, "share": 0}, 422),
                             ({"version": 2, "share": 1001}, 422), ({}, 422), ({"version": 2, "colour": 1}, 422)):
            self.assertEqual(self.server.ask(call("PUT", path, body)).status, status, body)
        self.assertEqual(self.server.ask(call("DELETE", path)).status, 404)
        self.start(2)
        self.assertEqual(self.server.ask(call("DELETE", path)).status, 204)
        self.wait_until(lambda: all(self.shadow() is None for _ in range(8)))
        self.assertEqual(self.shadow(whole=True)["events"][0]["event"], "shadow_ended")
        self.assertEqual(self.server.metric("slipway_shadow_requests_total"), 0)
        audit = run(self.environment, "audit", "list")
        self.assertIn("deployment.shadow_started", audit)
        # What is promoted is nobody's shadow any more.
        self.start(2)
        run(self.environment, "alias", "titanic", "production", "2")
        self.wait_until(lambda: all(self.shadow() is None for _ in range(8)))
        run(self.environment, "alias", "titanic", "production", "1")


if __name__ == "__main__":
    unittest.main()
