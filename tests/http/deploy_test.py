# Deploys and rollbacks under load: every request is answered by a version that is or was deployed, none fails. In a
# release build a thousand changes, in a debug build a few dozen.
# SPDX-License-Identifier: Apache-2.0
import glob
import json
import os
import threading
import time
import unittest

from helpers.service import PASSENGER, ServiceTest, get, post, run

DEBUG = "debug" in os.environ["SLIPWAY"] or "tsan" in os.environ["SLIPWAY"]
CHANGES = 30 if DEBUG else 1000
SECONDS_MAX = 50
N_CLIENTS = 3


class Deploys(ServiceTest):
    def ask_on(self, results, stop):
        """Predicts until told to stop; anything but a sound answer is a failure."""
        asked, versions, faults = 0, set(), []
        with self.server.client() as c:
            while not stop.is_set():
                try:
                    answer = c.ask(post())
                    body = answer.json()
                    if answer.status != 200 or body["predictions"][0]["label"] not in (0, 1):
                        faults.append(answer.body)
                    versions.add(body["version"])
                    asked += 1
                except Exception as e:
                    faults.append(repr(e))
                    break
        results.append((asked, versions, faults))

    def seen(self, version):
        return self.server.ask(post()).json()["version"] == version

    def ready(self, name):
        answer = self.server.ask(get("/health/ready"))
        body = answer.json()
        model = next(m for m in body["models"] if m["name"] == name)
        return answer.status, body["status"], model["serving"], model["wanted"]

    def test_changes_under_load(self):
        second = self.train("titanic", "survived", 12, "--drop", "name,ticket,cabin,home.dest", output="second.onnx")
        results, stop = [], threading.Event()
        clients = [threading.Thread(target=self.ask_on, args=(results, stop)) for _ in range(N_CLIENTS)]
        for t in clients:
            t.start()
        end = time.monotonic() + SECONDS_MAX
        changes = 0
        try:
            self.deploy(second, "--name", "titanic")
            self.wait_until(lambda: self.seen(2))
            while changes < CHANGES and time.monotonic() < end:
                if changes % 2:
                    run(self.environment, "rollback", "titanic")
                elif changes % 10:
                    run(self.environment, "alias", "titanic", "production", "1")
                else:  # what is stored already is the same version again
                    self.deploy(self.titanic, "--name", "titanic")
                changes += 1
            run(self.environment, "alias", "titanic", "production", "2")
            self.wait_until(lambda: self.seen(2))
        finally:
            stop.set()
            for t in clients:
                t.join()
        self.assertEqual([f for _, _, faults in results for f in faults], [])
        versions = set().union(*(v for _, v, _ in results))
        self.assertEqual(versions, {1, 2})
        total = sum(n for n, _, _ in results)
        print(f"{changes} changes, {total} requests, none failed")
        self.assertGreaterEqual(changes, CHANGES if not DEBUG else 10)
        self.wait_until(lambda: self.ready("titanic") == (200, "ready", 2, 2))

    def test_a_broken_version_keeps_the_last_good_one(self):
        third = self.train("diabetes", "progression", 7, output="third.onnx")
        before = self.server.ask(get("/api/v1/models/diabetes")).json()["version"]
        store = os.path.join(self.environment["SLIPWAY_DATA_DIR"], "blobs")
        known = set(glob.glob(store + "/**", recursive=True))
        # Stored, but not loaded, since no alias points at it: then its blobs are spoilt, then it is deployed.
        run(self.environment, "deploy", third, "--name", "diabetes", "--alias", "candidate")
        run(self.environment, "alias", "diabetes", "candidate", "--remove")
        self.wait_until(lambda: not any(
            v["loaded"] for v in self.server.ask(get("/api/v1/models/diabetes")).json()["versions"]
            if v["version"] == before + 1))
        for path in set(glob.glob(store + "/**", recursive=True)) - known:
            if os.path.isfile(path):
                os.chmod(path, 0o600)
                with open(path, "r+b") as f:
                    f.write(b"spoilt")
        run(self.environment, "alias", "diabetes", "production", str(before + 1))
        # Every event loop sees a change by itself: what one says another may say a moment later.
        self.wait_until(lambda: self.ready("diabetes") == (200, "degraded", before, before + 1))
        self.wait_until(lambda: self.server.ask(get("/api/v1/models/diabetes")).json()["status"] == "stale")
        self.wait_until(lambda: self.server.metric("slipway_models_faulty") == 1)
        self.assertEqual(self.server.ask(get("/api/v1/models/diabetes")).json()["version"], before)
        self.assertIn("version cannot be loaded", self.server.read_log())
        run(self.environment, "rollback", "diabetes")
        self.wait_until(lambda: self.ready("diabetes") == (200, "ready", before, before))


if __name__ == "__main__":
    unittest.main()
