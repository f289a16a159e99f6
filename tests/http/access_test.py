"""Keys over the wire: who is let in, to what, and how fast a change of that is felt."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import stat
import subprocess
import tempfile
import time
import unittest

from helpers.service import BODY, DEADLINES, EXAMPLES, PREDICT, PROGRAM, Server, get, post, run

KEYS_FOLLOW_S = 5


def bearer(key):
    return (f"Authorization: Bearer {key}",)


class AccessTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="slipway-access-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        cls.data_dir = os.path.join(cls.folder, "registry")
        cls.environment.update(SLIPWAY_DATA_DIR=cls.data_dir, **DEADLINES)
        path = os.path.join(cls.folder, "titanic.onnx")
        run(cls.environment, "train", os.path.join(EXAMPLES, "titanic.csv"), "--target", "survived", "--set",
            "n_trees=3", "--set", "depth_max=3", "-o", path, "--drop", "name,ticket,cabin,home.dest")
        for name in ("titanic", "elsewhere", "acme/titanic", "acme/hidden"):
            run(cls.environment, "deploy", path, "--name", name)
        cls.admin = cls.key("admin", "--role", "admin")
        cls.predictor = cls.key("predictor", "--role", "predictor", "--models", "titanic")
        cls.viewer = cls.key("viewer", "--role", "viewer")
        cls.monitor = cls.key("monitor", "--role", "monitor")
        cls.acme = cls.key("acme", "--role", "predictor,viewer", "--tenant", "acme")
        cls.server = Server(cls.environment)
        cls.addClassCleanup(cls.server.stop)

    @classmethod
    def slipway(cls, *arguments):
        return run(cls.environment, *arguments)

    @classmethod
    def key(cls, label, *arguments):
        return json.loads(cls.slipway("keys", "create", label, "--json", *arguments))["key"]

    def status(self, request):
        return self.server.ask(request).status

    def wait_for(self, status, request):
        end, n = time.monotonic() + KEYS_FOLLOW_S, 0
        while n < 12:  # for many connections: each event loop follows by itself
            n = n + 1 if self.status(request) == status else 0
            self.assertLess(time.monotonic(), end, f"{status} never came: {request}")

    def names(self, key):
        models = self.server.ask(get("/api/v1/models", bearer(key))).json()["models"]
        return sorted(m["name"] for m in models)

    def test_without_a_key_only_health(self):
        for path in ("/", "/api/v1/models", "/metrics", "/openapi.json", "/nothing", "/api/v1/models/titanic"):
            answer = self.server.ask(get(path))
            self.assertEqual(answer.status, 401, path)
            self.assertTrue(answer.headers["www-authenticate"].startswith("Bearer "), path)
            self.assertEqual(answer.json()["code"], "no_key")
        self.assertEqual(self.status(get("/health/live")), 200)
        ready = self.server.ask(get("/health/ready"))
        self.assertEqual((ready.status, ready.json()["models"]), (200, []))
        self.assertEqual(self.status(b"OPTIONS /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"), 401)

    def test_a_body_is_not_read_for_strangers(self):
        with self.server.client() as c:
            head = (f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
                    "Expect: 100-continue\r\n\r\n")
            self.assertEqual(c.ask(head.encode()).status, 401)
            self.assertTrue(c.closed())

    def test_both_headers(self):
        self.assertEqual(self.status(post(headers=bearer(self.predictor))), 200)
        self.assertEqual(self.status(post(headers=(f"X-API-Key: {self.predictor}",))), 200)
        self.assertEqual(self.status(post(headers=(f"authorization: bEARER  {self.predictor}",))), 200)
        self.assertEqual(self.status(post(headers=(f"Authorization: Basic {self.predictor}",))), 401)
        self.assertEqual(self.status(post(path=f"{PREDICT}?key={self.predictor}")), 401)

    def test_wrong_keys(self):
        key = self.predictor
        swapped = key[:20] + key[21] + key[20] + key[22:]
        for wrong in (key[:-1], key + "0", swapped, key[:-1] + ("0" if key[-1] != "0" else "1"), "x", "slip_",
                      self.admin[:17] + key[17:]):
            answer = self.server.ask(post(headers=bearer(wrong)))
            self.assertEqual(answer.status, 401)
            self.assertEqual(answer.json()["code"], "invalid_key")
            self.assertIn("invalid_token", answer.headers["www-authenticate"])
            self.assertNotIn(wrong.encode(), answer.body if len(wrong) > 5 else b"")

    def test_one_connection_many_keys(self):
        with self.server.client() as c:
            for _ in range(3):
                self.assertEqual(c.ask(post(headers=bearer(self.predictor))).status, 200)
                self.assertEqual(c.ask(get("/api/v1/models", bearer(self.monitor))).status, 403)
                self.assertEqual(c.ask(get("/metrics", bearer(self.monitor))).status, 200)
                self.assertEqual(c.ask(get("/metrics", bearer(self.predictor))).status, 403)
                self.assertEqual(c.ask(get("/metrics")).status, 401)

    def test_roles(self):
        self.assertEqual(self.status(post(headers=bearer(self.viewer))), 403)
        self.assertEqual(self.names(self.viewer), ["elsewhere", "titanic"])
        self.assertEqual(self.status(get("/api/v1/models", bearer(self.monitor))), 403)
        answer = self.server.ask(get("/metrics", bearer(self.viewer)))
        self.assertEqual((answer.status, answer.json()["code"]), (403, "forbidden"))
        for path in ("/", "/api/v1/models", "/metrics", "/openapi.json"):
            self.assertEqual(self.status(get(path, bearer(self.admin))), 200, path)

    def test_models_out_of_scope_are_not_there(self):
        self.assertEqual(self.names(self.predictor), ["titanic"])
        for name in ("elsewhere", "hidden", "acme%2Ftitanic", "acme/titanic"):
            answer = self.server.ask(post(path=f"/api/v1/models/{name}/predict", headers=bearer(self.predictor)))
            self.assertEqual(answer.status, 404, name)
            self.assertNotIn(b"did you mean \\\"elsewhere", answer.body)

    def test_tenants_do_not_see_one_another(self):
        self.assertEqual(self.names(self.acme), ["hidden", "titanic"])
        self.assertEqual(self.names(self.admin), ["elsewhere", "titanic"])
        answer = self.server.ask(post(headers=bearer(self.acme)))
        self.assertEqual((answer.status, answer.json()["model"]), (200, "titanic"))
        self.assertEqual(self.status(post(path="/api/v1/models/elsewhere/predict", headers=bearer(self.acme))), 404)
        for key, foreign in ((self.acme, b"elsewhere"), (self.admin, b"hidden"), (self.predictor, b"elsewhere")):
            for path in ("/openapi.json", "/", "/health/ready", "/api/v1/models"):
                self.assertNotIn(foreign, self.server.ask(get(path, bearer(key))).body, path)
        self.assertNotIn(b"acme", self.server.ask(get("/api/v1/models/titanic", bearer(self.acme))).body)

    def test_changes_are_felt_at_once(self):
        made = json.loads(self.slipway("keys", "create", "short", "--role", "viewer", "--json"))
        key, key_id = made["key"], made["id"]

        def asked_with(key):
            return get("/api/v1/models", bearer(key))

        with self.server.client() as c:  # one connection, which remembers the key
            self.wait_for(200, asked_with(key))
            self.assertEqual(c.ask(asked_with(key)).status, 200)
            new = json.loads(self.slipway("keys", "rotate", key_id, "--overlap", "1h", "--json"))["key"]
            self.wait_for(200, asked_with(new))
            self.assertEqual(c.ask(asked_with(key)).status, 200)
            newest = json.loads(self.slipway("keys", "rotate", key_id, "--overlap", "0s", "--json"))["key"]
            self.wait_for(401, asked_with(new))
            self.assertEqual(c.ask(asked_with(key)).status, 401)
            self.assertEqual(c.ask(asked_with(newest)).status, 200)
            self.slipway("keys", "revoke", key_id)
            start = time.monotonic()
            while c.ask(asked_with(newest)).status == 200:
                self.assertLess(time.monotonic() - start, KEYS_FOLLOW_S)
        self.assertIn("revoked", self.slipway("keys", "list"))

    def test_keys_end(self):
        asked = get("/api/v1/models", bearer(self.key("short", "--role", "viewer", "--expires", "2s")))
        with self.server.client() as c:
            self.wait_for(200, asked)
            self.assertEqual(c.ask(asked).status, 200)
            time.sleep(2.1)
            self.assertEqual(c.ask(asked).status, 401)

    def test_no_key_in_what_is_written(self):
        self.status(post(headers=bearer(self.predictor)))
        self.status(post(headers=bearer(self.predictor[:-1])))
        secret = self.predictor[18:61]
        self.assertNotIn(secret, self.server.read_log())
        self.assertNotIn(secret.encode(), self.server.ask(get("/metrics", bearer(self.monitor))).body)
        for name in os.listdir(self.data_dir):
            path = os.path.join(self.data_dir, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    self.assertNotIn(secret.encode(), f.read(), name)

    def test_pages_of_strangers(self):
        self.assertEqual(self.status(get("/api/v1/models", (*bearer(self.admin), "Origin: https://x.example"))), 403)
        self.assertEqual(self.status(get("/api/v1/models", (*bearer(self.admin), "Sec-Fetch-Site: cross-site"))), 403)
        self.assertEqual(self.status(get("/api/v1/models", (*bearer(self.admin), "Origin: http://localhost"))), 200)
        self.assertEqual(self.status(get("/health/live", ("Origin: https://x.example",))), 200)


class BeyondLoopbackTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="slipway-beyond-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        self.environment.update(SLIPWAY_DATA_DIR=os.path.join(self.folder, "registry"), **DEADLINES)

    def test_plain_http_is_asked_for(self):
        done = subprocess.run([PROGRAM, "serve", "--host", "0.0.0.0", "--port", "0"], capture_output=True, text=True,
                              env=self.environment, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--plain-http", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "registry", "admin.key")))

    def test_the_first_start_makes_a_key(self):
        path = os.path.join(self.folder, "registry", "admin.key")
        server = Server(self.environment, "--host", "0.0.0.0", "--plain-http", "--allowed-host", "slipway.example")
        self.addCleanup(server.stop)
        with open(path) as f:
            key = f.read().strip()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertIn(path, server.read_log())
        self.assertNotIn(key, server.read_log())
        self.assertEqual(server.ask(get("/api/v1/models")).status, 401)
        self.assertEqual(server.ask(get("/api/v1/models", bearer(key))).status, 200)
        for host, status in (("slipway.example", 401), ("SLIPWAY.example:80", 401), ("10.1.2.3", 401),
                             ("[::1]:8080", 401), ("other.example", 421)):
            asked = f"GET /api/v1/models HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
            self.assertEqual(server.ask(asked).status, status, host)
        server.stop()
        self._cleanups.pop()
        again = Server(self.environment, "--host", "0.0.0.0", "--plain-http")  # no second one
        self.addCleanup(again.stop)
        with open(path) as f:
            self.assertEqual(f.read().strip(), key)
        self.assertNotIn("admin.key", again.read_log())


class CrossOriginTest(unittest.TestCase):
    def test_an_allowed_origin(self):
        folder = tempfile.mkdtemp(prefix="slipway-cors-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        environment.update(SLIPWAY_DATA_DIR=os.path.join(folder, "registry"), **DEADLINES)
        server = Server(environment, "--cors-origin", "https://a.example", "--cors-origin", "http://b.example:3000")
        self.addCleanup(server.stop)
        for origin in ("https://a.example", "http://b.example:3000"):
            asked = (f"OPTIONS {PREDICT} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n"
                     "Access-Control-Request-Method: POST\r\n\r\n").encode()
            answer = server.ask(asked)
            self.assertEqual(answer.status, 204)
            self.assertEqual(answer.headers["access-control-allow-origin"], origin)
            self.assertIn("POST", answer.headers["access-control-allow-methods"])
            self.assertIn("Authorization", answer.headers["access-control-allow-headers"])
            answer = server.ask(post(BODY, headers=(f"Origin: {origin}", "Sec-Fetch-Site: cross-site")))
            self.assertEqual(answer.status, 404)  # no model is there, but it came that far
            self.assertEqual(answer.headers["access-control-allow-origin"], origin)
            self.assertEqual(answer.headers["vary"], "Origin")
        answer = server.ask(get("/api/v1/models", ("Origin: https://c.example",)))
        self.assertEqual(answer.status, 403)
        self.assertNotIn("access-control-allow-origin", answer.headers)
        self.assertNotIn("access-control-allow-origin", server.ask(get("/api/v1/models")).headers)


if __name__ == "__main__":
    unittest.main()
