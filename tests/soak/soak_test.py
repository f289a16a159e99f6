"""Minutes of mixed load: honest clients of every protocol, clients that crash, stall, lie and flood, and deployments all the
while. Nothing honest fails, and memory, descriptors and threads are flat. SECONDS= says how long."""
# Timeout: 900
# SPDX-License-Identifier: Apache-2.0
import collections
import gzip
import json
import os
import random
import socket
import struct
import threading
import time
import unittest

from helpers.service import BODY, PASSENGER, PREDICT, Client, Server, ServiceTest, get, post, run

SECONDS = float(os.environ.get("SECONDS", "600"))
SEED = int(os.environ.get("SEED", "0")) or int(time.time())
WARM = 0.25  # of the time, before memory is compared
GROWTH = 0.05  # of resident memory afterwards, beside a megabyte for what caches still fill
V2_BODY = json.dumps({"inputs": [
    {"name": name, "shape": [1], "datatype": "BYTES" if isinstance(value, str) else "FP32", "data": [value]}
    for name, value in PASSENGER.items()]}).encode()
ROWS = json.dumps({"rows": [PASSENGER] * 2000}).encode()


class Crowd:
    """Threads that run until told to stop, and what they saw."""

    def __init__(self):
        self.over = threading.Event()
        self.threads, self.counts, self.faults = [], collections.Counter(), []
        self.lock = threading.Lock()

    def start(self, name, work, number):
        def loop():
            rng = random.Random(f"{SEED}/{name}/{number}")
            while not self.over.is_set():
                try:
                    work(rng)
                    with self.lock:
                        self.counts[name] += 1
                except Exception as fault:  # pylint: disable=broad-except
                    with self.lock:
                        self.faults.append(f"{name}: {fault!r}")
                    if len(self.faults) > 20:
                        self.over.set()
        thread = threading.Thread(target=loop)
        thread.start()
        self.threads.append(thread)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


class Soak(ServiceTest):
    deadlines = {}

    def expect(self, answer, *statuses):
        if answer.status not in statuses:
            raise AssertionError(f"{answer.status} {answer.body[:200]!r}")

    # ---- honest clients

    def predicts(self, rng):
        with Client(self.server.port) as client:
            for _ in range(rng.randint(1, 200)):
                self.expect(client.ask(post()), 200)

    def speaks_protocols(self, rng):
        with Client(self.server.port) as client:
            for data in (post(V2_BODY, "/v2/models/titanic/infer"), get("/v2/models/titanic"), get("/openapi.json"),
                         post(json.dumps({"instances": [PASSENGER]}).encode(), "/v1/models/titanic:predict"),
                         post(json.dumps({"query": "{ models { name } }"}).encode(), "/graphql"),
                         get("/metrics"), get("/health/ready"), get("/api/v1/models")):
                self.expect(client.ask(data), 200)
        time.sleep(rng.random() * 0.05)

    def sends_large_bodies(self, rng):
        with Client(self.server.port) as client:
            self.expect(client.ask(post(ROWS)), 200)
            packed = gzip.compress(ROWS)
            self.expect(client.ask(post(packed, headers=["Content-Encoding: gzip"])), 200)
        time.sleep(rng.random() * 0.1)

    # ---- others

    def crashes(self, rng):
        """Goes away in the middle, without a word."""
        client = Client(self.server.port)
        data = post() * rng.randint(1, 5)
        client.socket.sendall(data[:rng.randint(0, len(data))])
        if rng.random() < 0.5:  # a reset instead of an end
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()

    def lies(self, rng):
        body = bytearray(BODY)
        for _ in range(rng.randint(1, 8)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        path = rng.choice((PREDICT, "/v2/models/titanic/infer", "/invocations", "/graphql", "/v1/models/titanic:predict"))
        with Client(self.server.port) as client:
            try:
                client.send(post(bytes(body), path))
                status = client.read().status
            except (EOFError, ConnectionError):
                return
        if status >= 500:
            raise AssertionError(f"{status} for {bytes(body)!r} to {path}")

    def talks_nonsense(self, rng):
        with Client(self.server.port) as client:
            try:
                client.send(bytes(rng.randrange(256) for _ in range(rng.randint(1, 2000))) + b"\r\n\r\n")
                client.socket.recv(1 << 16)
            except (ConnectionError, TimeoutError):
                pass

    def bombs(self, rng):
        bomb = gzip.compress(b"[" * (64 << 20))
        with Client(self.server.port) as client:
            self.expect(client.ask(post(bomb, headers=["Content-Encoding: gzip"])), 400, 413)
        time.sleep(1 + rng.random())

    def stalls(self, rng):
        """Says half of it and waits, a whole crowd at once."""
        clients = [Client(self.server.port) for _ in range(50)]
        for client in clients:
            client.send(post()[:rng.randint(1, 150)])
        self.over.wait(rng.random() * 5)
        for client in clients:
            client.socket.close()

    def deploys(self, rng):
        path = self.titanic if rng.random() < 0.5 else self.other
        run(self.environment, "deploy", path, "--name", "titanic")
        if rng.random() < 0.3:
            run(self.environment, "deploy", path, "--name", "comes-and-goes")
            run(self.environment, "rm", "comes-and-goes", "--force")
        time.sleep(0.2)

    # ---- the test

    def threads(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("Threads:")).split()[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def test_nothing_grows_and_nothing_honest_fails(self):
        print(f"SEED={SEED} SECONDS={SECONDS:g}", flush=True)
        self.other = self.train("titanic", "survived", 12, "--drop", "name,ticket,cabin,home.dest", output="other.onnx")
        crowd = Crowd()
        self.over = crowd.over
        idle_descriptors, idle_threads = self.descriptors(), self.threads()
        for name, work, n in (("predicts", self.predicts, 3), ("speaks protocols", self.speaks_protocols, 1),
                              ("sends large bodies", self.sends_large_bodies, 1), ("crashes", self.crashes, 2),
                              ("lies", self.lies, 2), ("talks nonsense", self.talks_nonsense, 1),
                              ("bombs", self.bombs, 1), ("stalls", self.stalls, 1), ("deploys", self.deploys, 1)):
            for number in range(n):
                crowd.start(name, work, number)
        samples, start = [], time.monotonic()
        while time.monotonic() - start < SECONDS and not crowd.over.is_set():
            time.sleep(min(1, SECONDS / 20))
            self.assertIsNone(self.server.process.poll(), "the server died")
            samples.append(self.server.memory())
        crowd.stop()
        print(dict(crowd.counts), flush=True)
        self.assertEqual(crowd.faults, [])
        warm = samples[int(len(samples) * WARM):]
        third = max(1, len(warm) // 3)
        early, late = sorted(warm[:third])[third // 2], sorted(warm[-third:])[third // 2]
        print(f"resident: {early / 1e6:.1f} MB early, {late / 1e6:.1f} MB late, {max(samples) / 1e6:.1f} MB at most", flush=True)
        self.assertLessEqual(late, early * (1 + GROWTH) + (1 << 20))
        self.wait_until(lambda: self.descriptors() <= idle_descriptors + 2, 90)
        self.assertLessEqual(self.threads(), idle_threads + 2)
        self.assertTrue(self.server.alive())


if __name__ == "__main__":
    unittest.main()
