"""slipway rollout: a canary and a shadow from start to end, as people see them and as scripts do."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import unittest

from helpers.service import PROGRAM, ServiceTest, post, run

DROP = ("--drop", "name,ticket,cabin,home.dest")


class RolloutCommand(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deploy(cls.train("titanic", "survived", 12, *DROP, output="second.onnx"), "--name", "titanic")
        run(cls.environment, "rollback", "titanic")

    def say(self, *words):
        return run(self.environment, "rollout", *words)

    def status(self):
        return json.loads(self.say("status", "titanic", "--json"))

    def fails(self, *words, status=1, environment=None):
        done = subprocess.run([PROGRAM, "rollout", *words], env=environment or self.environment, capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stderr

    def setUp(self):
        self.wait_until(lambda: self.status()["primary"] == 1)

    def test_a_canary(self):
        self.assertEqual(self.say("start", "titanic", "2", "--weight", "400", "--requests", "60", "--latency", "0"),
                         "titanic: version 2 takes 400 of 1000 requests\n")
        self.wait_until(lambda: (self.status()["canary"] or {}).get("loaded"))
        self.assertEqual(self.status()["guards"], {"error_permille": 20, "latency_percent": 0, "psi_permille": 250,
                                                   "requests_min": 60, "window_s": 60})
        with self.server.client() as c:
            for _ in range(50):
                self.assertEqual(c.ask(post()).status, 200)
        text = self.say("status", "titanic")
        self.assertRegex(text, r"(?m)^primary +1 +600 +\d+ +0 +\d")
        self.assertRegex(text, r"(?m)^canary +2 +400 +\d+ +0 +\d")
        self.assertIn("started  version 2 beside 1\n", text)
        self.assertEqual(self.say("promote", "titanic"), "titanic: version 2 takes all requests\n")
        self.wait_until(lambda: self.status()["primary"] == 2)
        self.assertEqual(json.loads(self.say("rollback", "titanic", "--json")),
                         {"event": "rolled_back", "model": "titanic", "primary": 1})
        self.wait_until(lambda: self.status()["primary"] == 1)

    def test_a_shadow(self):
        self.assertEqual(self.say("shadow", "titanic", "2", "--share", "500"),
                         "titanic: version 2 is given copies of 500 of 1000 requests\n")
        self.wait_until(lambda: all((self.status()["shadow"] or {}).get("loaded") for _ in range(4)))
        with self.server.client() as c:
            for _ in range(50):
                self.assertEqual(c.ask(post()).json()["version"], 1)
        self.wait_until(lambda: self.status()["shadow"]["requests"] > 0)
        self.assertRegex(self.say("status"), r"(?m)^shadow +2 +500 .*% other labels, scores differ by 0\.\d+$")
        self.assertEqual(self.say("shadow", "titanic", "--end"), "titanic: no more copies\n")
        self.wait_until(lambda: self.status()["shadow"] is None)

    def test_what_is_wrong_is_said(self):
        self.assertIn("none of start, status", self.fails("begin", "titanic", status=2))
        self.assertIn("which model?", self.fails("start", status=2))
        self.assertIn("which version?", self.fails("start", "titanic", status=2))
        self.assertIn("--weight 50", self.fails("start", "titanic", "2", status=2))
        self.assertIn("not the number of a version", self.fails("shadow", "titanic", "two", status=2))
        self.assertIn("no version 9", self.fails("start", "titanic", "9", "--weight", "1"))
        self.assertIn("no version of", self.fails("promote", "titanic"))
        self.assertIn("did you mean", self.fails("status", "titanik"))
        nowhere = {**self.environment, "SLIPWAY_DATA_DIR": os.path.join(self.folder, "nowhere")}
        self.assertIn("no server runs over", self.fails("status", environment=nowhere))

    def test_another_server(self):
        self.assertIn("primary", self.say("status", "--server", f"http://127.0.0.1:{self.server.port}"))
        self.say("shadow", "titanic", "2", "--server", f"http://127.0.0.1:{self.server.port}")
        self.wait_until(lambda: self.status()["shadow"])
        self.say("shadow", "titanic", "--end", "--server", f"http://127.0.0.1:{self.server.port}")
        self.wait_until(lambda: self.status()["shadow"] is None)


if __name__ == "__main__":
    unittest.main()
