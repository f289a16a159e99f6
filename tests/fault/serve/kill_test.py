# kill -9 of a whole server at random moments while clients predict, deploy, upload, make keys and use up quotas. Whatever
# was acknowledged is there afterwards, the registry is sound, what is recorded as used is never below what was
# answered and at most a lease for each kill above it, no quota is exceeded, and the server starts again.
# KILLS= says how often (12), SEED= repeats what was printed.
# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from helpers.service import BODY, EXAMPLES, PREDICT, PROGRAM, Server, get, post, run

KILLS = int(os.environ.get("KILLS", "12"))
SEED = int(os.environ.get("SEED", "0")) or int(time.time())
ALIVE_S_MAX = 0.6
QUOTA = 400
LEASE, SLOW_S = 64, 0.03  # the smallest lease, of a client as slow as this: see serve/quota.c
DATASETS_KEPT = 40
MODEL = "/api/v1/models/titanic"


class Gone(Exception):
    """The server, in the middle of an answer or before."""


class Memory:
    """What was acknowledged, and what was under way when the server was killed."""

    def __init__(self):
        self.lock = threading.Lock()
        self.datasets, self.versions, self.keys, self.revoked, self.runs = {}, {}, {}, {}, set()
        self.alias, self.alias_asked = 1, set()
        self.revoking = set()
        self.limited, self.answered, self.exhausted, self.lives, self.slow = None, 0, False, 0, False
        self.acknowledged = 0


class Life:
    """One server and its clients, until it is killed."""

    def __init__(self, test, number):
        self.test, self.memory, self.number = test, test.memory, number
        self.rng = random.Random(f"{SEED}/{number}")
        self.faults, self.killed = [], threading.Event()

    def ask(self, client, method, path, body=None, key=None, expected=(200,)):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key or self.test.admin}",
                 f"Content-Length: {len(data)}"]
        if body is not None and not isinstance(body, bytes):
            lines.append("Content-Type: application/json")
        try:
            answer = client.ask("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        except (OSError, EOFError) as fault:
            raise Gone(f"{method} {path}") from fault
        if answer.status not in expected:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        client.over = answer.headers.get("connection") == "close"  # refused at its header
        with self.memory.lock:
            self.memory.acknowledged += 1
        return answer

    def client_of(self, work, seed):
        try:
            rng = random.Random(f"{SEED}/{self.number}/{seed}")
            while not self.killed.is_set():
                with self.server.client(timeout=30) as client:
                    client.over = False
                    while not self.killed.is_set() and not client.over:
                        work(client, rng)
        except Gone as gone:
            if not self.killed.is_set():
                self.faults.append(f"{work.__name__}: the server hung up: {gone} {gone.__cause__!r}")
        except OSError:
            pass  # it was killed before we were there
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(f"{work.__name__}: {fault!r}")

    # ---- clients

    def predicts(self, client, _):
        self.ask(client, "POST", PREDICT, json.loads(BODY), self.test.predictor)

    def uploads(self, client, rng):
        data = b"a,b\n" + b"".join(b"%d,%d\n" % (rng.getrandbits(30), i) for i in range(rng.randint(1, 3000)))
        made = self.ask(client, "POST", "/api/v1/datasets", data, expected=(201,)).json()
        self.memory.datasets[made["id"]] = hashlib.sha256(data).hexdigest()
        if rng.random() < 0.3:
            job = self.ask(client, "POST", "/api/v1/runs", {"kind": "profile", "dataset": made["id"]}, expected=(202, 429, 503))
            if job.status == 202:
                self.memory.runs.add(job.json()["id"])

    def deploys(self, client, rng):
        m = self.memory
        if rng.random() < 0.4 and m.versions:
            version = rng.choice(sorted(m.versions))
            m.alias_asked = {version}
            self.ask(client, "PUT", MODEL + "/aliases/production", {"version": version})
            m.alias = version
        else:
            note = b"%016x" % rng.getrandbits(64)
            file = self.test.file + b"\x1a\x10" + note  # the producer's version: of ONNX's fields the one that says least
            m.alias_asked = {max(m.versions, default=1) + n for n in (1, 2)}
            made = self.ask(client, "POST", MODEL + "/versions?alias=production", file, expected=(201,)).json()
            m.versions[made["version"]] = file
            m.alias = made["version"]
        m.alias_asked = set()

    def makes_keys(self, client, rng):
        m = self.memory
        if rng.random() < 0.3 and m.keys:
            key_id = rng.choice(sorted(m.keys))
            m.revoking.add(key_id)
            self.ask(client, "DELETE", "/api/v1/keys/" + key_id)
            m.revoked[key_id] = m.keys.pop(key_id)
            m.revoking.discard(key_id)
        else:
            made = self.ask(client, "POST", "/api/v1/keys", {"label": "k", "roles": ["viewer"]}, expected=(201,)).json()
            m.keys[made["id"]] = made["key"]
        time.sleep(rng.random() * 0.02)

    def uses_a_quota(self, client, rng):
        m = self.memory
        if m.limited is None or m.exhausted or (m.slow and m.lives > 4):
            made = self.ask(client, "POST", "/api/v1/keys", {"label": "limited", "roles": ["predictor"]}, expected=(201,)).json()
            self.ask(client, "PUT", f"/api/v1/quotas/key:{made['id']}", {"requests_day": QUOTA})
            m.limited, m.answered, m.lives, m.exhausted, m.slow = made, 0, 0, False, rng.random() < 0.5
        answer = self.ask(client, "POST", PREDICT, json.loads(BODY), m.limited["key"], expected=(200, 401, 429))
        if answer.status == 200:
            m.answered += 1
        m.exhausted = answer.status == 429
        if m.slow:
            time.sleep(SLOW_S)

    # ---- the life

    def run(self):
        if self.rng.random() < 0.1:  # while it starts
            process = subprocess.Popen([PROGRAM, "serve", "--port", "0"], env=self.test.environment,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.rng.random() * 0.3)
            process.send_signal(signal.SIGKILL)
            process.wait()
            return
        self.server = Server(self.test.environment)
        try:
            self.check_by_asking()
            self.live()
        finally:
            self.server.process.kill()
            self.server.process.wait()
            self.server.process.stdout.close()
            log = self.server.read_log()
            self.server.log.close()
        self.test.assertEqual(self.faults, [], log)
        self.test.assertNotIn("Sanitizer", log)

    def live(self):
        works = [self.predicts, self.predicts, self.uploads, self.deploys, self.makes_keys, self.uses_a_quota]
        threads = [threading.Thread(target=self.client_of, args=(w, i)) for i, w in enumerate(works)]
        for t in threads:
            t.start()
        time.sleep(self.rng.random() * ALIVE_S_MAX)
        self.killed.set()
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait()
        for t in threads:
            t.join()
        self.memory.lives += 1

    # ---- what is there

    def check_by_asking(self):
        m, test = self.memory, self.test
        with self.server.client(timeout=30) as c:
            versions = {v["version"] for v in self.ask(c, "GET", MODEL + "/versions").json()["versions"]}
            test.assertLessEqual(set(m.versions), versions)
            alias = self.ask(c, "GET", MODEL).json()["aliases"]["production"]
            test.assertIn(alias, m.alias_asked | {m.alias})
            m.alias, m.alias_asked = alias, set()
            for version in sorted(m.versions)[-3:]:
                file = self.ask(c, "GET", f"{MODEL}/versions/{version}/file").body
                test.assertEqual(hashlib.sha256(file).hexdigest(), hashlib.sha256(m.versions[version]).hexdigest())
            keys = {k["id"]: k for k in self.ask(c, "GET", "/api/v1/keys").json()["keys"]}
            test.assertLessEqual(set(m.keys) | set(m.revoked), set(keys))
            for key_id in m.revoking:
                m.keys.pop(key_id, None)  # it may be so, or not
            m.revoking = set()
            for ids, statuses in (m.keys, (200,)), (m.revoked, (401,)):
                for key_id in sorted(ids)[-2:]:
                    self.ask(c, "GET", "/api/v1/models", key=ids[key_id], expected=statuses)
            for dataset, sha256 in m.datasets.items():
                test.assertEqual(self.ask(c, "GET", "/api/v1/datasets/" + dataset).json()["sha256"], sha256)
            for run_id in sorted(m.runs)[-3:]:
                self.ask(c, "GET", "/api/v1/runs/" + run_id)
            self.check_usage(c)
            self.tidy(c)

    def check_usage(self, client):
        m = self.memory
        if m.limited is None:
            return
        records = self.ask(client, "GET", "/api/v1/usage?days=2").json()["usage"]
        used = sum(u["requests"] for u in records if u["subject"] == "key:" + m.limited["id"])
        self.test.assertLessEqual(m.answered, QUOTA)
        self.test.assertLessEqual(used, QUOTA)
        self.test.assertGreaterEqual(used, m.answered)
        if m.slow:
            self.test.assertLessEqual(used, m.answered + m.lives * (LEASE + 1))

    def tidy(self, client):
        """So that what is looked at does not grow without end."""
        m = self.memory
        for dataset in sorted(m.datasets)[:-DATASETS_KEPT]:
            del m.datasets[dataset]
            self.ask(client, "DELETE", "/api/v1/datasets/" + dataset, expected=(204, 409))


class KillTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="slipway-kill-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        cls.environment.update(SLIPWAY_DATA_DIR=os.path.join(cls.folder, "registry"))
        path = os.path.join(cls.folder, "titanic.onnx")
        run(cls.environment, "train", os.path.join(EXAMPLES, "titanic.csv"), "--target", "survived", "--set", "n_trees=2",
            "--set", "depth_max=3", "-o", path, "--drop", "name,ticket,cabin,home.dest")
        run(cls.environment, "deploy", path)
        with open(path, "rb") as f:
            cls.file = f.read()
        for name, role in ("admin", "admin"), ("predictor", "predictor"):
            made = json.loads(run(cls.environment, "keys", "create", name, "--role", role, "--json"))
            setattr(cls, name, made["key"])
        cls.memory = Memory()

    def sound(self):
        for command in ("fsck",), ("audit", "verify"):
            done = subprocess.run([PROGRAM, *command], env=self.environment, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, (command, done.stdout, done.stderr))

    def test_nothing_acknowledged_is_lost(self):
        print(f"SEED={SEED}", file=sys.stderr)
        for number in range(KILLS):
            with self.subTest(kill=number, seed=SEED):
                Life(self, number).run()
                self.sound()
        server = Server(self.environment)
        try:
            last = Life(self, KILLS)
            last.server = server
            last.check_by_asking()
            with server.client() as c:
                for version, file in self.memory.versions.items():
                    got = last.ask(c, "GET", f"{MODEL}/versions/{version}/file").body
                    self.assertEqual(got, file)
                for run_id in self.memory.runs:
                    last.ask(c, "GET", "/api/v1/runs/" + run_id)
        finally:
            server.stop()
        print(f"{KILLS} kills, {self.memory.acknowledged} answers, {len(self.memory.versions)} versions, "
              f"{len(self.memory.keys) + len(self.memory.revoked)} keys, {len(self.memory.runs)} runs", file=sys.stderr)
        self.assertGreater(self.memory.acknowledged, KILLS)


if __name__ == "__main__":
    unittest.main()
