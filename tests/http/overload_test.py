"""More is asked than can be done: what is taken is answered, the rest is refused at once, and the server stays well."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import threading
import time
import unittest

from helpers.nets import row, write_net
from helpers.service import ServiceTest, get, post

ASK = post(json.dumps({"rows": [row()]}).encode(), "/api/v1/models/net/predict")


class OverloadTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deploy(write_net(os.path.join(cls.folder, "net.onnx"), width=64, layers=400))

    def load(self, n_clients, seconds):
        """So many clients ask again as soon as they are answered: (200s, 503s) and, of each kind, the times."""
        stop, lock, times = threading.Event(), threading.Lock(), {200: [], 503: []}

        def ask():
            with self.server.client() as c:
                while not stop.is_set():
                    start = time.monotonic()
                    answer = c.ask(ASK)
                    took = time.monotonic() - start
                    if answer.status == 503:
                        problem = answer.json()
                        assert problem["code"] == "overloaded", problem
                        assert int(answer.headers["retry-after"]) >= 1, answer.headers
                    with lock:
                        times[answer.status].append(took)
                    if answer.status == 503:
                        time.sleep(0.05)

        threads = [threading.Thread(target=ask) for _ in range(n_clients)]
        for t in threads:
            t.start()
        healthy = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.monotonic()
            self.assertEqual(self.server.ask(get()).status, 200)
            self.assertEqual(self.server.ask(post()).status, 200)  # a light model
            healthy.append(time.monotonic() - start)
            time.sleep(0.05)
        stop.set()
        for t in threads:
            t.join()
        self.assertLess(sorted(healthy)[len(healthy) // 2], 1)
        return times

    def test_ten_times_as_much(self):
        self.wait_until(lambda: self.server.ask(ASK).status == 200)
        most = self.load(3, 1.5)
        over = self.load(60, 3)
        self.assertEqual(len(most[503]), 0)
        self.assertGreater(len(over[503]), 0)
        self.assertGreater(len(over[200]) / 3, 0.2 * len(most[200]) / 1.5)  # goodput
        refused = sorted(over[503])
        self.assertLess(refused[len(refused) // 2], 0.5)  # at once
        self.assertGreaterEqual(self.server.metric('slipway_batch_dropped_total{model="net",reason="overload"}'), 0)
        # And it is over when it is over.
        self.wait_until(lambda: self.server.metric("slipway_batch_queue_requests") == 0)
        for _ in range(5):
            self.assertEqual(self.server.ask(ASK).status, 200)


if __name__ == "__main__":
    unittest.main()
