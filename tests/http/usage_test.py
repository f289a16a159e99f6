"""Keys over REST, usage, quotas and the audit log of a running server."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import unittest

from helpers.service import BODY, DEADLINES, EXAMPLES, PASSENGER, Server, get, post, run

PREDICT = "/api/v1/models/titanic/predict"
KEYS_FOLLOW_S = 5


def bearer(key):
    return (f"Authorization: Bearer {key}",)


class UsageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="slipway-usage-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        cls.environment.update(SLIPWAY_DATA_DIR=os.path.join(cls.folder, "registry"), **DEADLINES)
        path = os.path.join(cls.folder, "titanic.onnx")
        run(cls.environment, "train", os.path.join(EXAMPLES, "titanic.csv"), "--target", "survived", "--set",
            "n_trees=3", "--set", "depth_max=3", "-o", path, "--drop", "name,ticket,cabin,home.dest")
        for name in ("titanic", "acme/titanic"):
            run(cls.environment, "deploy", path, "--name", name)
        cls.admin = json.loads(run(cls.environment, "keys", "create", "admin", "--role", "admin", "--json"))["key"]
        cls.server = Server(cls.environment)
        cls.addClassCleanup(cls.server.stop)

    def send(self, method, path, body=None, key=None, server=None):
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *bearer(key or self.admin)]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        return (server or self.server).ask("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    def wait_for(self, truth):
        """Until it holds for many connections: each event loop follows by itself."""
        end, n = time.monotonic() + KEYS_FOLLOW_S, 0
        while n < 12:
            n = n + 1 if truth() else 0
            self.assertLess(time.monotonic(), end)

    def make(self, **options):
        answer = self.send("POST", "/api/v1/keys", {"label": "x", "roles": ["predictor"], **options})
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(answer.headers["cache-control"], "no-store")
        made = answer.json()
        self.wait_for(lambda: self.server.ask(get("/api/v1/usage", bearer(made["key"]))).status != 401)
        return made["id"], made["key"]

    def limit(self, subject, **limits):
        answer = self.send("PUT", f"/api/v1/quotas/{subject}", limits)
        self.assertEqual(answer.status, 200, answer.body)

    def used(self, subject, unit="requests", key=None):
        records = self.send("GET", "/api/v1/usage?days=2", key=key).json()["usage"]
        return sum(u[unit] for u in records if u["subject"] == subject)

    def graphql(self, query, key=None):
        answer = self.send("POST", "/graphql", {"query": query}, key)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def test_graphql_tells_what_rest_tells(self):
        key_id, key = self.make(models=["titanic"])
        other_id, _ = self.make()
        self.limit("key:" + key_id, requests_day=1000)
        self.assertEqual(self.server.ask(post(headers=bearer(key))).status, 200)
        query = "{usage(days: 2) {subject day requests rows tokens} quotas {subject requestsDay rowsMonth perMinute}}"
        mine = self.graphql(query, key)["data"]
        self.assertEqual([u["subject"] for u in mine["usage"]], ["key:" + key_id])
        self.assertEqual(mine["quotas"], [{"subject": "key:" + key_id, "requestsDay": 1000, "rowsMonth": None, "perMinute": None}])
        all_of_it = self.graphql(query)["data"]
        rest = self.send("GET", "/api/v1/usage?days=2").json()
        self.assertEqual(sorted(u["subject"] for u in all_of_it["usage"]), sorted(u["subject"] for u in rest["usage"]))
        self.assertEqual(sorted(q["subject"] for q in all_of_it["quotas"]), sorted(q["subject"] for q in rest["quotas"]))
        admin_of_acme = self.make(tenant="acme", roles=["admin"])[1]
        subjects = {u["subject"] for u in self.graphql(query, admin_of_acme)["data"]["usage"]}
        self.assertFalse(subjects & {"key:" + key_id, "key:" + other_id, "tenant:"})
        self.assertEqual(self.graphql("{usage(days: 0) {day}}")["errors"][0]["extensions"]["code"], "out_of_range")

    def test_graphql_has_nothing_of_other_tenants(self):
        _, ours = self.make(roles=["trainer", "deployer", "viewer", "predictor"])
        _, theirs = self.make(tenant="acme", roles=["trainer", "deployer", "viewer", "predictor"])
        made = self.server.ask(b"POST /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n" +
                               bearer(ours)[0].encode() + b"\r\n\r\na,b\n1,2\n")
        self.assertEqual(made.status, 201, made.body)
        dataset = made.json()["id"]
        run_id = self.send("POST", "/api/v1/runs", {"kind": "profile", "dataset": dataset}, ours).json()["id"]
        query = f"{{dataset(id: \"{dataset}\") {{id}} run(id: \"{run_id}\") {{id}} datasets {{id}} runs {{id}}}}"
        mine = self.graphql(query, ours)["data"]
        self.assertEqual((mine["dataset"], mine["run"], mine["datasets"]), ({"id": dataset}, {"id": run_id}, [{"id": dataset}]))
        self.assertIn({"id": run_id}, mine["runs"])  # beside that of the upload
        answer = self.graphql(query, theirs)
        self.assertEqual(answer["data"], {"dataset": None, "run": None, "datasets": [], "runs": []})
        self.assertEqual({e["extensions"]["code"] for e in answer["errors"]}, {"unknown_dataset", "unknown_run"})
        nothing = self.graphql(query.replace(run_id, "0" * 20).replace(dataset, "0" * 20), theirs)
        self.assertEqual([e["extensions"]["code"] for e in answer["errors"]],
                         [e["extensions"]["code"] for e in nothing["errors"]])  # as if they had never been
        self.assertEqual(self.graphql(f"mutation {{cancelRun(id: \"{run_id}\") {{id}}}}", theirs)["errors"][0]["extensions"]
                         ["code"], "unknown_run")
        self.assertEqual([m["name"] for m in self.graphql("{models {name}}", theirs)["data"]["models"]], ["titanic"])
        for name in "acme/titanic", "nothing":
            for key in ours, theirs:
                asked = f"{{model(name: \"{name}\") {{name}}}}"
                self.assertEqual(self.graphql(asked, key)["errors"][0]["extensions"]["code"], "unknown_model")
                asked = f"mutation {{setAlias(model: \"{name}\", alias: \"a\", version: 1) {{version}}}}"
                self.assertIn(self.graphql(asked, key)["errors"][0]["extensions"]["code"], ("unknown_model", "invalid_name"))

    def test_keys(self):
        key_id, key = self.make(models=["titanic"], expires_in_s=1000)
        self.assertEqual(self.server.ask(post(headers=bearer(key))).status, 200)
        listed = {k["id"]: k for k in self.send("GET", "/api/v1/keys").json()["keys"]}
        self.assertEqual((listed[key_id]["models"], listed[key_id]["roles"]), (["titanic"], ["predictor"]))
        self.assertNotIn(key.split("_")[2], json.dumps(listed))
        self.assertEqual(self.send("GET", f"/api/v1/keys/{key_id}").json()["id"], key_id)
        rotated = self.send("POST", f"/api/v1/keys/{key_id}/rotate").json()
        self.assertEqual(rotated["overlap_s"], 0)
        self.assertEqual(self.send("DELETE", f"/api/v1/keys/{key_id}").status, 200)
        self.assertEqual(self.send("DELETE", f"/api/v1/keys/{key_id}").status, 409)
        for path in ("nothing", "123456789012"):
            self.assertEqual(self.send("GET", f"/api/v1/keys/{path}").status, 404)
        for wrong in ({}, {"label": "x"}, {"label": "x", "roles": ["king"]}, {"label": "x", "roles": "admin"},
                      {"label": 7, "roles": ["admin"]}, {"label": "x", "roles": ["admin"], "more": 1},
                      {"label": "x", "roles": ["predictor"], "models": ["a/b"]},
                      {"label": "x", "roles": ["predictor"], "expires_in_s": 0}):
            self.assertEqual(self.send("POST", "/api/v1/keys", wrong).status, 422, wrong)
        self.assertEqual(self.send("GET", "/api/v1/keys", key=self.make()[1]).status, 403)

    def test_an_admin_of_a_tenant(self):
        other_id, _ = self.make()
        admin_id, admin = self.make(tenant="acme", roles=["admin"])
        own = self.send("GET", "/api/v1/keys", key=admin).json()["keys"]
        self.assertTrue(all(k["tenant"] == "acme" for k in own))
        self.assertEqual(self.send("GET", f"/api/v1/keys/{other_id}", key=admin).status, 404)
        self.assertEqual(self.send("DELETE", f"/api/v1/keys/{other_id}", key=admin).status, 404)
        body = {"label": "x", "roles": ["predictor"], "tenant": "globex"}
        self.assertEqual(self.send("POST", "/api/v1/keys", body, key=admin).status, 403)
        self.assertEqual(self.send("POST", "/api/v1/keys", {**body, "tenant": ""}, key=admin).status, 403)
        self.assertEqual(self.send("POST", "/api/v1/keys", {**body, "tenant": "acme"}, key=admin).status, 201)
        self.assertEqual(self.send("GET", "/metrics", key=admin).status, 403)
        records = self.send("GET", "/api/v1/audit?limit=1000", key=admin).json()["records"]
        self.assertTrue(records and all(a["tenant"] == "acme" for a in records))
        self.assertEqual(self.send("PUT", f"/api/v1/quotas/key:{admin_id}", {}, key=admin).status, 200)
        for subject in ("tenant:acme", "tenant:", f"key:{other_id}", "key:123456789012", "x"):
            self.assertEqual(self.send("PUT", f"/api/v1/quotas/{subject}", {}, key=admin).status, 404, subject)

    def test_a_quota_ends(self):
        key_id, key = self.make()
        self.limit(f"key:{key_id}", requests_day=5)
        statuses = [self.server.ask(post(headers=bearer(key))) for _ in range(8)]
        self.assertEqual([a.status for a in statuses], [200] * 5 + [429] * 3)
        refused = statuses[-1]
        self.assertEqual(refused.json()["code"], "quota")
        self.assertEqual(refused.headers["x-should-retry"], "false")
        self.assertGreater(int(refused.headers["retry-after"]), 0)
        self.assertEqual(self.used(f"key:{key_id}"), 5)
        self.assertEqual(self.used(f"key:{key_id}", key=key), 5)  # its own
        self.assertEqual(self.used("tenant:", key=key), 0)        # not what others used
        self.limit(f"key:{key_id}", requests_day=6)
        end = time.monotonic() + KEYS_FOLLOW_S
        while self.server.ask(post(headers=bearer(key))).status != 200:
            self.assertLess(time.monotonic(), end)
        self.assertEqual(self.server.ask(post(headers=bearer(key))).status, 429)

    def test_rows_and_tenants_count(self):
        _, one = self.make(tenant="acme")
        _, two = self.make(tenant="acme")
        self.limit("tenant:acme", rows_day=10)
        body = json.dumps({"rows": [PASSENGER] * 4}).encode()
        statuses = [self.server.ask(post(body, headers=bearer(key))).status for key in (one, two, one, two)]
        self.assertEqual(statuses, [200, 200, 429, 429])
        self.assertEqual(self.server.ask(post(BODY, headers=bearer(one))).status, 200)  # one row is left for it
        self.limit("tenant:acme")

    def test_what_was_wrong_is_not_counted(self):
        key_id, key = self.make()
        self.limit(f"key:{key_id}", requests_day=1)
        self.assertEqual(self.server.ask(post(b"{}", headers=bearer(key))).status, 422)
        self.assertEqual(self.server.ask(post(headers=bearer(key))).status, 200)

    def test_a_rate(self):
        key_id, key = self.make()
        self.limit(f"key:{key_id}", per_minute=6, burst=3)
        time.sleep(0.5)
        answers = [self.server.ask(post(headers=bearer(key))) for _ in range(5)]
        self.assertEqual([a.status for a in answers], [200] * 3 + [429] * 2)
        self.assertEqual(answers[-1].json()["code"], "rate")
        self.assertIn(int(answers[-1].headers["retry-after"]), range(1, 13))
        self.assertNotIn("x-should-retry", answers[-1].headers)

    def test_servers_share_a_quota(self):
        key_id, key = self.make()
        self.limit(f"key:{key_id}", requests_day=200)
        other = Server(self.environment)
        results, servers = [], [self.server, other]

        def ask(server):
            with server.client() as c:
                for _ in range(150):
                    results.append(c.ask(post(headers=bearer(key))).status)

        threads = [threading.Thread(target=ask, args=(s,)) for s in servers for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        other.stop()
        self.assertLessEqual(results.count(200), 200)
        self.assertGreaterEqual(results.count(200), 150)
        self.assertEqual(results.count(200) + results.count(429), 600)
        self.assertLessEqual(self.used(f"key:{key_id}"), 200)

    def test_a_stop_settles_and_a_crash_loses_little(self):
        key_id, key = self.make()
        for ending, least, most in ((signal.SIGTERM, 10, 10), (signal.SIGKILL, 20, 20 + 64)):
            server = Server(self.environment)
            with server.client() as c:
                for _ in range(10):
                    self.assertEqual(c.ask(post(headers=bearer(key))).status, 200)
            if ending == signal.SIGTERM:
                server.stop()
            else:
                server.process.kill()
                server.process.wait()
                server.process.stdout.close()
                server.log.close()
            used = self.used(f"key:{key_id}")
            self.assertTrue(least <= used <= most, (ending, used))

    def test_the_audit_log(self):
        key_id, _ = self.make()
        records = self.send("GET", "/api/v1/audit?limit=1000").json()["records"]
        admin_id = self.admin.split("_")[1]
        made = [a for a in records if a["action"] == "key.create" and a["object"] == key_id]
        self.assertEqual([a["actor"] for a in made], [f"key:{admin_id}"])
        page = self.send("GET", f"/api/v1/audit?after={made[0]['id'] - 1}&limit=1").json()
        self.assertEqual([a["object"] for a in page["records"]], [key_id])
        verified = json.loads(run(self.environment, "audit", "verify", "--json"))
        run(self.environment, "audit", "verify", "--head", f"{verified['records']}:{verified['head']}")
        self.assertIn(key_id, run(self.environment, "audit", "list"))
        self.assertNotIn(b"slip_", self.send("GET", "/api/v1/audit?limit=1000").body)


if __name__ == "__main__":
    unittest.main()
