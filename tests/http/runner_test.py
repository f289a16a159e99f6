"""Versions in processes of their own: what they answer, and how they end without anybody else noticing."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import subprocess
import threading
import time
import unittest

from helpers.nets import row, write_net
from helpers.service import BODY, PREDICT, Server, ServiceTest, children, get, post

NET = "/api/v1/models/net/predict"
ASK = post(json.dumps({"rows": [row()]}).encode(), NET)


class RunnerTest(ServiceTest):
    arguments = ("--runner-ms", "2000")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deploy(write_net(os.path.join(cls.folder, "net.onnx"), width=16, layers=3))

    def setUp(self):
        self.wait_until(lambda: self.server.metric("slipway_models_serving") == 3)
        self.wait_until(lambda: self.server.ask(ASK).status == 200)

    def runner(self):
        self.wait_until(lambda: len(children(self.server.process.pid)) == 1)
        (pid, _, name), = children(self.server.process.pid)
        self.assertEqual(name, "slipway-runner")
        return pid

    def test_only_what_needs_one_has_one_and_it_can_do_nothing_else(self):
        pid = self.runner()  # of the net; the forests have none
        with open(f"/proc/{pid}/status") as f:
            status = dict(line.split(":", 1) for line in f if ":" in line)
        self.assertEqual(status["NoNewPrivs"].strip(), "1")
        self.assertEqual(status["Seccomp"].strip(), "2")
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        self.assertEqual(len(links), 6, links)  # input, output, error; socket, package, exchange

    def test_a_killed_runner_is_replaced(self):
        want = self.server.ask(ASK).body
        restarts = self.server.metric("slipway_runner_restarts_total")
        os.kill(self.runner(), signal.SIGKILL)
        self.wait_until(lambda: self.server.metric("slipway_runner_restarts_total") > restarts)  # nobody asked
        self.wait_until(lambda: self.server.ask(ASK).status == 200)
        self.assertEqual(self.server.ask(ASK).body, want)
        self.assertEqual(self.server.ask(post()).status, 200)

    def test_killed_under_load_only_its_own_requests_fail(self):
        stop, statuses, others = threading.Event(), [], []

        def load(request, into):
            with self.server.client() as c:
                while not stop.is_set():
                    answer = c.ask(request)
                    into.append(answer.status)
                    if answer.status == 503:
                        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
                        time.sleep(0.01)

        threads = [threading.Thread(target=load, args=a) for a in [(ASK, statuses)] * 3 + [(post(), others)]]
        for t in threads:
            t.start()
        for _ in range(2):
            time.sleep(0.3)
            for pid, _, _ in children(self.server.process.pid):
                os.kill(pid, signal.SIGKILL)
        n = len(statuses)
        self.wait_until(lambda: 200 in statuses[n:])
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(set(others), {200})
        self.assertLessEqual(set(statuses), {200, 503})
        self.assertNotIn("Z", [state for _, state, _ in children(self.server.process.pid)])

    def test_one_that_hangs_is_killed_at_the_deadline(self):
        pid = self.runner()
        os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        answer = self.server.ask(ASK)
        self.assertEqual(answer.status, 503)
        self.assertIn("longer than 2000 ms", answer.json()["detail"])
        self.assertLess(time.monotonic() - start, 15)
        self.assertEqual(self.server.ask(post()).status, 200)
        self.wait_until(lambda: self.server.ask(ASK).status == 200)
        self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_again_and_again_and_it_is_not_ready(self):
        for _ in range(5):
            self.wait_until(lambda: children(self.server.process.pid))
            for pid, _, _ in children(self.server.process.pid):
                os.kill(pid, signal.SIGKILL)
            self.wait_until(lambda: not any(p == pid for p, _, _ in children(self.server.process.pid)))
        self.wait_until(lambda: self.server.ask(get("/health/ready")).status == 503)
        self.assertEqual(self.server.ask(get()).status, 200)
        self.assertEqual(self.server.ask(post()).status, 200)
        self.wait_until(lambda: self.server.ask(ASK).status == 200)
        self.assertEqual(self.server.ask(get("/health/ready")).status, 200)

    def test_versions_come_and_go_with_their_runners(self):
        for seed in range(2, 5):
            before = self.runner()
            path = write_net(os.path.join(self.folder, "net.onnx"), width=16, layers=3, seed=seed)
            self.deploy(path)
            self.wait_until(lambda: self.server.ask(ASK).json()["version"] == seed)
            self.wait_until(lambda: not os.path.exists(f"/proc/{before}"))
        self.runner()

    def test_a_model_that_does_not_load_is_told_of(self):
        path = write_net(os.path.join(self.folder, "broken.onnx"), width=16, layers=1, classes=3)
        with open(path, "rb") as f:
            data = f.read().replace(b"Softmax", b"Softmox")
        with open(path, "wb") as f:
            f.write(data)
        done = subprocess.run([os.environ["SLIPWAY"], "deploy", path], env=self.environment, capture_output=True,
                              text=True)
        if done.returncode == 0:
            self.wait_until(lambda: self.server.metric("slipway_models_faulty") == 1)
            self.assertIn("Softmox", self.server.ask(get("/health/ready")).body.decode())
            subprocess.run([os.environ["SLIPWAY"], "rm", "broken", "--force"], env=self.environment, check=True,
                           capture_output=True)
            self.wait_until(lambda: self.server.metric("slipway_models_faulty") == 0)
        else:
            self.assertIn("Softmox", done.stderr)

    def test_always_and_never_give_the_same_bytes(self):
        want = [self.server.ask(r).body for r in (post(BODY, PREDICT), ASK)]
        for how, n in ("always", 3), ("never", 0):
            server = Server(self.environment, "--isolate", how)
            try:
                self.assertEqual(len(children(server.process.pid)), n)
                self.assertEqual([server.ask(r).body for r in (post(BODY, PREDICT), ASK)], want)
            finally:
                server.stop()


if __name__ == "__main__":
    unittest.main()
