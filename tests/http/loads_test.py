# Loading and unloading versions while the server runs: within a budget, with the least recently used making room, and
# with all memory given back.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import threading
import time
import unittest

from helpers.service import BODY, PASSENGER, Server, ServiceTest, get, post, run

DEBUG = "debug" in os.environ["SLIPWAY"] or "tsan" in os.environ["SLIPWAY"]
CYCLES = 20 if DEBUG else 1000
DROP = ("--drop", "name,ticket,cabin,home.dest")
MODEL = "/api/v1/models/titanic"


def order(path):
    return f"POST {MODEL}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()


class Loads(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for n_trees in (12, 14):
            path = cls.train("titanic", "survived", n_trees, *DROP, output=f"trees{n_trees}.onnx")
            cls.deploy(path, "--name", "titanic", "--alias", "production" if n_trees == 12 else "spare")
        run(cls.environment, "rollback", "titanic")  # 1 is deployed, 3 is "spare", 2 has no name

    def card(self, server=None):
        return (server or self.server).ask(get(MODEL)).json()

    def loaded(self, server=None):
        return [v["version"] for v in self.card(server)["versions"] if v["loaded"]]

    def comes(self, versions, server=None):
        self.wait_until(lambda: self.loaded(server) == versions)

    def ready(self, server=None):
        answer = (server or self.server).ask(get("/health/ready"))
        return answer.status, answer.json()["status"]

    def test_versions_with_a_name_are_loaded(self):
        self.comes([1, 3])
        self.assertEqual(self.card()["status"], "serving")

    def test_load_and_unload_a_version(self):
        self.comes([1, 3])
        answer = self.server.ask(order("/versions/2/load"))
        self.assertEqual((answer.status, answer.json()), (200, {"model": "titanic", "version": 2, "loaded": True}))
        self.comes([1, 2, 3])
        self.assertEqual(self.server.ask(order("/versions/2/load")).status, 200)
        answer = self.server.ask(order("/versions/2/unload"))
        self.assertEqual((answer.status, answer.json()["loaded"]), (200, False))
        self.comes([1, 3])
        # One with a name stays away only because it was told to.
        self.assertEqual(self.server.ask(order("/versions/spare/unload")).status, 200)
        self.comes([1])
        self.assertEqual(self.server.ask(order("/versions/spare/load")).json()["version"], 3)
        self.comes([1, 3])

    def test_refusals(self):
        for path, status, code in (("/versions/9/load", 404, "unknown_version"),
                                   ("/versions/nobody/load", 404, "unknown_version"),
                                   ("/versions/2/unload", 404, "not_loaded"),
                                   ("/versions/1/unload", 409, "deployed")):
            answer = self.server.ask(order(path))
            self.assertEqual((answer.status, answer.json()["code"]), (status, code), path)
        answer = self.server.ask(order("/load").replace(b"titanic", b"titanik"))
        self.assertEqual((answer.status, answer.json()["code"]), (404, "unknown_model"))
        self.assertEqual(self.server.ask(get(MODEL + "/load")).status, 405)

    def test_unload_a_model(self):
        self.assertEqual(self.server.ask(order("/unload")).status, 200)
        self.comes([])
        self.assertEqual(self.card()["status"], "unloaded")
        answer = self.server.ask(post())
        self.assertEqual((answer.status, answer.json()["code"]), (503, "not_loaded"))
        self.wait_until(lambda: self.ready() == (200, "ready"))  # nothing is wrong: it was meant to be
        self.assertEqual(self.server.ask(order("/load")).json()["version"], 1)
        self.comes([1, 3])
        self.assertEqual(self.server.ask(post()).json()["version"], 1)
        # Deploying another version brings it back too.
        self.assertEqual(self.server.ask(order("/unload")).status, 200)
        self.comes([])
        run(self.environment, "alias", "titanic", "production", "2")
        self.comes([2, 3])
        run(self.environment, "alias", "titanic", "production", "1")
        self.comes([1, 3])

    def test_the_budget(self):
        sizes = {v["version"]: v["memory"] for v in self.card()["versions"] if v["loaded"]}
        self.assertEqual(self.server.ask(order("/versions/2/load")).status, 200)
        self.comes([1, 2, 3])
        sizes = {v["version"]: v["memory"] for v in self.card()["versions"]}
        self.assertEqual(self.server.ask(order("/versions/2/unload")).status, 200)
        diabetes = self.server.ask(get("/api/v1/models/diabetes")).json()["memory"]
        budget = diabetes + sizes[1] + sizes[3] + sizes[2] // 2  # not all four
        server = Server(self.environment, "--models-memory-max", str(budget))
        try:
            self.comes([1, 3], server)
            self.assertEqual(server.ask(order("/versions/2/load")).status, 200)
            self.comes([1, 2], server)  # 3 had to go
            fault = next(v["fault"] for v in self.card(server)["versions"] if v["version"] == 3)
            self.assertIn("evicted", fault)
            self.assertEqual(server.metric("slipway_versions_evicted_total"), 1)
            self.assertLessEqual(server.metric("slipway_models_memory_bytes"), budget)
            self.assertEqual(server.ask(order("/versions/3/load")).status, 200)
            self.comes([1, 3], server)
            self.assertEqual(self.ready(server), (200, "ready"))
        finally:
            server.stop()
        server = Server(self.environment, "--models-memory-max", str(diabetes + sizes[1] + 1000))
        try:
            self.comes([1], server)
            answer = server.ask(order("/versions/2/load"))
            self.assertEqual((answer.status, answer.json()["code"]), (507, "models_memory"))
            self.assertIn(str(diabetes + sizes[1] + 1000), answer.json()["detail"])
            self.assertEqual(server.ask(post()).json()["version"], 1)
        finally:
            server.stop()

    def test_memory_comes_back(self):
        def cycle(n):
            with self.server.client() as c:
                for _ in range(n):
                    self.assertEqual(c.ask(order("/versions/2/load")).status, 200)
                    self.assertEqual(c.ask(order("/versions/2/unload")).status, 200)
            time.sleep(2.5)  # old snapshots go, then memory is given back to the system

        cycle(10 if DEBUG else 200)  # both workers have their handles and buffers then
        base = self.server.memory()
        cycle(CYCLES)
        after = self.server.memory()
        print(f"resident memory {base / 1e6:.2f} MB, after {CYCLES} cycles {after / 1e6:.2f} MB")
        if not DEBUG:  # a sanitizer keeps what was freed
            self.assertLess(abs(after - base), 0.02 * base)

    def test_others_are_not_disturbed(self):
        """What another model's loads do to requests; printed, because it depends on the machine."""
        def ask_for(seconds):
            spent, end = [], time.monotonic() + seconds
            with self.server.client() as c:
                while time.monotonic() < end:
                    start = time.perf_counter()
                    self.assertEqual(c.ask(post()).status, 200)
                    spent.append(time.perf_counter() - start)
            spent.sort()
            return len(spent), spent[len(spent) // 2] * 1e6, spent[len(spent) * 99 // 100] * 1e6

        def load_on(stop, count):
            with self.server.client() as c:
                while not stop.is_set():
                    for what in ("load", "unload"):
                        self.assertEqual(c.ask(order(f"/versions/2/{what}")).status, 200)
                    count.append(1)

        seconds = 0.3 if DEBUG else 2
        quiet, stop, count = ask_for(seconds), threading.Event(), []
        loader = threading.Thread(target=load_on, args=(stop, count))
        loader.start()
        busy = ask_for(seconds)
        stop.set()
        loader.join()
        print(f"p50 {quiet[1]:.0f} us, p99 {quiet[2]:.0f} us; while {len(count)} versions were loaded and unloaded: "
              f"p50 {busy[1]:.0f} us, p99 {busy[2]:.0f} us")


if __name__ == "__main__":
    unittest.main()
