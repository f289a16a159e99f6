"""A dear model has a queue: its requests run together, give what they give alone, and do not hold others up."""
# SPDX-License-Identifier: Apache-2.0
import contextlib
import json
import os
import re
import signal
import threading
import time
import unittest

from helpers.nets import row, write_net
from helpers.service import ServiceTest, children, get, post

NET = "/api/v1/models/net/predict"
DEEP = "/api/v1/models/deep/predict"


def body(*rows):
    return json.dumps({"rows": [row(*r) for r in rows]}).encode()


class QueueTest(ServiceTest):
    arguments = ("--queue-ms", "60000")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deploy(write_net(os.path.join(cls.folder, "net.onnx")))
        # Many narrow layers: a call is dear and a row is not, in any build, so that batches are worth it.
        cls.deploy(write_net(os.path.join(cls.folder, "deep.onnx"), width=4, layers=600))

    def setUp(self):
        self.wait_until(lambda: self.server.metric("slipway_models_serving") == 4)

    @contextlib.contextmanager
    def stopped(self):
        """While nothing is computed."""
        runners = [pid for pid, _, _ in children(self.server.process.pid)]
        for runner in runners:
            os.kill(runner, signal.SIGSTOP)
        try:
            yield
        finally:
            for runner in runners:
                os.kill(runner, signal.SIGCONT)

    def test_answers_do_not_depend_on_others(self):
        rows = [(i / 3, i % 5, -i, i * 0.1) for i in range(40)]
        alone = [self.server.ask(post(body(r), DEEP)) for r in rows]
        self.assertEqual({a.status for a in alone}, {200})
        before = self.server.metric("slipway_batch_rows_count")
        clients = [self.server.client() for _ in rows]
        with self.stopped():  # so that all but the first few surely wait for each other
            for client, r in zip(clients, rows):
                client.send(post(body(r), DEEP))
            self.wait_until(lambda: self.server.metric("slipway_requests_in_flight") > len(rows))
            self.wait_until(lambda: self.server.metric("slipway_batch_queue_requests") > len(rows) / 2)
        for client, a in zip(clients, alone):
            b = client.read()
            client.socket.close()
            self.assertEqual(b.status, 200, b.body)
            self.assertEqual(a.body, b.body)
        self.assertLess(self.server.metric("slipway_batch_rows_count") - before, len(rows) / 2)

    def test_many_rows_and_pipelined_requests(self):
        many = self.server.ask(post(body(*[(i, 1, 2, 3) for i in range(300)]), NET))
        self.assertEqual(many.status, 200)
        predictions = many.json()["predictions"]
        self.assertEqual(len(predictions), 300)
        with self.server.client() as c:
            c.send(b"".join(post(body((i, 1, 2, 3)), NET) for i in range(10)) + post())
            for i in range(10):
                self.assertEqual(c.read().json()["predictions"][0], predictions[i])
            self.assertEqual(c.read().json()["model"], "titanic")

    def test_what_is_wrong_is_still_said(self):
        bad = self.server.ask(post(b'{"rows":[{"x[0]":"a"}]}', NET))
        self.assertEqual(bad.status, 422)
        self.assertEqual(self.server.ask(post(b'{"rows":', NET)).status, 400)

    def test_clients_that_leave(self):
        with self.server.client() as busy:
            with self.stopped():
                busy.send(post(body(*[(1, 2, 3, 4)] * 900), NET))
                clients = [self.server.client() for _ in range(10)]
                for c in clients:
                    c.send(post(body((1, 2, 3, 4)), NET))
                self.wait_until(lambda: self.server.metric("slipway_requests_in_flight") > len(clients) + 1)
                self.wait_until(lambda: self.server.metric("slipway_batch_queue_requests") > 1)
                time.sleep(0.1)  # one that ends sooner may only have said that it asks nothing more
                for c in clients:
                    c.socket.close()
                time.sleep(0.1)
            self.assertEqual(busy.read().status, 200)
        self.wait_until(lambda: self.server.metric("slipway_batch_queue_requests") == 0)
        metrics = self.server.ask(get("/metrics")).body.decode()
        gone, = re.findall(r'batch_dropped_total{model="net",reason="client_gone"} (\d+)', metrics)
        self.assertGreater(int(gone), 0)
        self.wait_until(lambda: self.server.ask(post(body((1, 2, 3, 4)), NET)).status == 200)
        self.wait_until(lambda: self.server.metric("slipway_requests_in_flight") == 1)

    def test_requests_past_their_deadline_are_not_run(self):
        long = self.server.client()
        long.send(post(body(*[(1, 2, 3, 4)] * 300), NET))
        time.sleep(0.05)
        late = [self.server.client() for _ in range(8)]
        for c in late:
            c.send(post(body(*[(1, 2, 3, 4)] * 20), NET, headers=("X-Request-Timeout: 0.03",)))
        statuses = {c.read().status for c in late}
        self.assertLessEqual(statuses, {200, 503, 504})
        self.assertEqual(long.read().status, 200)
        for c in [long, *late]:
            c.socket.close()

    def test_a_long_body_is_refused_before_it_is_sent(self):
        long = f"POST {NET} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n"
        with self.server.client() as busy, contextlib.ExitStack() as others:
            with self.stopped():
                busy.send(post(body(*[(1, 2, 3, 4)] * 900), NET))
                for _ in range(3):
                    others.enter_context(self.server.client()).send(post(body((1, 2, 3, 4)), NET))
                self.wait_until(lambda: self.server.metric("slipway_batch_queue_requests") > 1)
                for more in "X-Request-Timeout: 0.001\r\n", "X-Request-Timeout: 0.001\r\nExpect: 100-continue\r\n":
                    with self.server.client() as c:
                        answer = c.ask(f"{long}{more}\r\n{{".encode())
                        self.assertEqual((answer.status, answer.json()["code"]), (503, "overloaded"))
                        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
                        self.assertEqual(answer.headers["connection"], "close")
                        self.assertTrue(c.closed())
                with self.server.client() as c:  # not for who has the time
                    c.send(f"{long}Expect: 100-continue\r\n\r\n".encode())
                    self.assertEqual(c.read().status, 100)
            self.assertEqual(busy.read().status, 200)
        self.wait_until(lambda: self.server.metric("slipway_batch_queue_requests") == 0)

    def test_others_are_not_held_up(self):
        stop = threading.Event()

        def load():
            with self.server.client() as c:
                while not stop.is_set():
                    c.ask(post(body(*[(1, 2, 3, 4)] * 50), NET))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        times = []
        with self.server.client() as c:
            for _ in range(50):
                start = time.monotonic()
                self.assertEqual(c.ask(get("/health/ready")).status, 200)
                self.assertEqual(c.ask(post()).status, 200)
                times.append(time.monotonic() - start)
        stop.set()
        for t in threads:
            t.join()
        self.assertLess(sorted(times)[25], 0.5)


if __name__ == "__main__":
    unittest.main()
