# A disk without room under a running server: a file system of its own, really full. Predictions go on, writes say 507,
# nothing is left of them, and all of it goes again when there is room.
# SPDX-License-Identifier: Apache-2.0
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from helpers.service import DEADLINES, EXAMPLES, PROGRAM, Server, ServiceTest, get, post, run

# A mount that nobody else sees; who is not root becomes it in there.
OWN = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--mount"]
MODEL = "/api/v1/models/titanic"
LABELS = json.dumps({"label": "k", "roles": ["predictor"]})


def may_mount():
    try:
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run([*OWN, "mount", "-t", "tmpfs", "none", folder], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def ask(method, path, body=b"", *headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class FullDisk(ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="slipway-full-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        cls.data_dir = os.path.join(cls.folder, "registry")
        os.mkdir(cls.data_dir)
        cls.environment.update(SLIPWAY_DATA_DIR=cls.data_dir, SLIPWAY_JOBS_MAX="1", **DEADLINES)
        cls.files = [cls.train("titanic", "survived", n, "--drop", "name,ticket,cabin,home.dest", output=f"{n}.onnx")
                     for n in (10, 11)]
        mounted = os.path.join(cls.folder, "mounted")
        with open(mounted, "w") as f:
            f.write(f'#!/bin/sh\nmount -t tmpfs -o size=16m,mode=0700 none "{cls.data_dir}" && exec "{PROGRAM}" "$@"\n')
        os.chmod(mounted, 0o700)
        cls.log = os.path.join(cls.data_dir, "access.log")
        cls.server = Server(cls.environment, "--access-log", cls.log, program=[*OWN, mounted])
        cls.addClassCleanup(cls.server.stop)
        cls.root = f"/proc/{cls.server.process.pid}/root{cls.data_dir}"
        for n, file in enumerate(cls.files, 1):
            with open(file, "rb") as f:
                answer = cls.server.ask(ask("POST", MODEL + "/versions?alias=production", f.read()))
            assert (answer.status, answer.json()["version"]) == (201, n), answer.body
        with open(os.path.join(EXAMPLES, "titanic.csv"), "rb") as f:
            cls.csv = f.read()
        cls.dataset = cls.json_of("POST", "/api/v1/datasets", cls.csv, status=201)["id"]
        admin = cls.json_of("POST", "/api/v1/keys", {"label": "admin", "roles": ["admin"]}, status=201)["key"]
        cls.bearer = "Authorization: Bearer " + admin

    @classmethod
    def json_of(cls, method, path, body=b"", *headers, status=200):
        answer = cls.server.ask(ask(method, path, body, *headers))
        assert answer.status == status, (method, path, answer.status, answer.body)
        return answer.json()

    def call(self, method, path, body=b"", *headers):
        return self.server.ask(ask(method, path, body, self.bearer, *headers))

    def fill(self):
        with open(os.path.join(self.root, "filler"), "wb", buffering=0) as f:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError as e:
                    self.assertEqual(e.errno, errno.ENOSPC)

    def make_room(self):
        os.unlink(os.path.join(self.root, "filler"))

    def lying(self):
        """What lies there, but for what is written all the time."""
        found = []
        for folder, _, names in os.walk(self.root):
            found += [os.path.relpath(os.path.join(folder, n), self.root) for n in names]
        return sorted(n for n in found if not n.startswith(("registry.db", "access.log", "filler")))

    def predicts(self, n=1):
        with self.server.client() as c:
            statuses = {c.ask(post(path=MODEL + "/predict", headers=[self.bearer])).status for _ in range(n)}
        self.assertEqual(statuses, {200})

    def full(self, method, path, body=b"", *headers):
        answer = self.call(method, path, body, *headers)
        self.assertEqual((answer.status, answer.headers["content-type"]), (507, "application/problem+json"), answer.body)
        self.assertEqual(answer.json()["code"], "full", answer.body)
        self.assertNotIn(self.data_dir, answer.json()["detail"])
        return answer

    def mutate(self):
        query = "mutation {setAlias(model: \"titanic\", alias: \"graphs\", version: 1) {version}}"
        return self.call("POST", "/graphql", {"query": query}, "Content-Type: application/json").json()

    def test_predictions_go_on_and_writes_are_refused(self):
        self.wait_until(lambda: self.server.ask(post(path=MODEL + "/predict", headers=[self.bearer])).status == 200)
        self.wait_until(lambda: self.call("GET", "/api/v1/datasets/" + self.dataset).json()["profile"], 30)
        self.predicts()
        pieces = self.call("POST", "/api/v1/uploads", {"bytes": len(self.csv)}).headers["location"]
        self.assertEqual(self.call("PUT", pieces + "?offset=0", self.csv[:1000]).status, 200)
        before = self.lying()
        self.fill()
        self.predicts(300)
        large = self.csv * 3
        # What is large: there is no room for it, whatever the database has left.
        self.full("POST", "/api/v1/datasets", large)
        self.full("POST", "/api/v1/datasets?sha256=" + hashlib.sha256(large).hexdigest(), large)
        with open(self.files[0], "rb") as f:
            file = f.read()
        self.full("POST", "/api/v1/models/another/versions?alias=production", file)
        self.assertEqual(self.call("GET", "/api/v1/models/another").status, 404)
        self.full("PUT", pieces + "?offset=1000", self.csv[1000:])
        self.assertEqual(self.mutate()["errors"][0]["extensions"]["code"], "full")
        # What is small goes until the database has used what it holds; what was acknowledged is there afterwards.
        small = {
            "key": ("POST", "/api/v1/keys", {"label": "small", "roles": ["viewer"]}),
            "alias": ("PUT", MODEL + "/aliases/other", {"version": 1}),
            "deployment": ("PUT", MODEL + "/deployment", {"canary": 1, "weight": 10}),
            "quota": ("PUT", "/api/v1/quotas/tenant:acme", {"requests_day": 5}),
            "upload": ("POST", "/api/v1/uploads", {"bytes": 100000}),
            "run": ("POST", "/api/v1/runs", {"kind": "train", "dataset": self.dataset, "target": "survived",
                                             "settings": {"n_trees": 2}}),
        }
        made, refused = {name: [] for name in small}, set()
        for _ in range(400):
            for name, request in small.items():
                if name in refused:
                    continue
                answer = self.call(*request)
                if answer.status == 507:
                    self.assertEqual(answer.json()["code"], "full", answer.body)
                    refused.add(name)
                else:
                    self.assertIn(answer.status, (200, 201, 202), (name, answer.body))
                    made[name].append(answer.json())
            if len(refused) == len(small):
                break
        self.assertEqual(refused, set(small))
        self.predicts(300)
        self.assertEqual(self.call("GET", "/api/v1/models").status, 200)
        self.assertEqual(self.call("GET", "/metrics").status, 200)
        self.assertEqual(self.server.ask(get("/health/ready")).status, 200)
        left = [n for n in self.lying() if not n.startswith("runs/") and not n.startswith("datasets/upload")]
        self.assertEqual([n for n in left if n not in before], [])

        self.make_room()
        keys = {k["id"] for k in self.call("GET", "/api/v1/keys").json()["keys"]}
        self.assertLessEqual({k["id"] for k in made["key"]}, keys)
        self.predicts()
        self.assertEqual(self.call(*small["key"]).status, 201)
        self.assertEqual(self.mutate()["data"], {"setAlias": {"version": 1}})
        at = self.call("GET", pieces).json()["received"]
        self.assertIn(self.call("PUT", f"{pieces}?offset={at}", self.csv[at:]).status, (200, 201))
        self.assertEqual(self.call("POST", "/api/v1/datasets", large).status, 201)
        self.assertEqual(self.call("POST", "/api/v1/models/another/versions?alias=production", file).status, 201)
        runs = [r["id"] for r in made["run"]] + [self.call(*small["run"]).json()["id"]]
        for run_id in runs:
            path = "/api/v1/runs/" + run_id
            self.wait_until(lambda: self.call("GET", path).json()["state"] not in ("queued", "running"), 60)
        self.assertEqual(self.call("GET", "/api/v1/runs/" + runs[-1]).json()["state"], "succeeded")
        self.assertEqual(self.call("GET", "/api/v1/audit?limit=1").status, 200)
        verify = subprocess.run(["nsenter", "--mount", "--target", str(self.server.process.pid), PROGRAM, "audit", "verify"],
                                env=self.environment, capture_output=True, text=True)
        self.assertEqual(verify.returncode, 0, verify.stdout + verify.stderr)
        log = self.server.read_log()
        self.assertLessEqual(log.count("access log cannot be written"), 5)


if __name__ == "__main__":
    if not may_mount():
        print("no file system of our own can be mounted here", file=sys.stderr)
        sys.exit(77)
    unittest.main()
