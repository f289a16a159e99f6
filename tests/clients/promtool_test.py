# promtool has nothing to say about /metrics: not of a server that nobody has asked, nor after every kind of traffic.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from helpers.service import BODY, PASSENGER, PREDICT, Server, ServiceTest, get, post

if not shutil.which("promtool"):
    print("SKIP: no promtool")
    sys.exit(77)


class Promtool(ServiceTest):
    def serve(self, *arguments, **environment):
        server = Server({**self.environment, **environment}, *arguments)
        self.addCleanup(server.stop)
        return server

    def check(self, server):
        answer = server.ask(get("/metrics"))
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["content-type"].startswith("text/plain; version=0.0.4"))
        done = subprocess.run(["promtool", "check", "metrics"], input=answer.body, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, ""))
        return answer.body.decode()

    def traffic(self, server):
        many = json.dumps({"rows": [PASSENGER] * 100}).encode()
        with server.client() as c:
            for body in [BODY] * 5 + [many] * 6:
                self.assertEqual(c.ask(post(body)).status, 200)
        v2 = {"inputs": [{"name": k, "shape": [1], "datatype": "BYTES" if isinstance(v, str) else "FP64", "data": [v]}
                         for k, v in PASSENGER.items()]}
        bodies = [(b"{", PREDICT), (json.dumps({"rows": [{"embarked": "Z"}]}).encode(), PREDICT),
                  (BODY, "/api/v1/models/none/predict"), (json.dumps(v2).encode(), "/v2/models/titanic/infer"),
                  (json.dumps({"instances": [PASSENGER]}).encode(), "/v1/models/titanic:predict"),
                  (json.dumps({"query": "{models{name}}"}).encode(), "/graphql"), (b"", "/api/v1/models/titanic/load")]
        for body, path in bodies:
            server.ask(post(body, path))
        for path in ("/health/live", "/health/ready", "/nowhere", "/api/v1/models", "/openapi.json", "/v2",
                     "/api/v1/models/titanic/versions/1/drift"):
            server.ask(get(path))
        server.ask(b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with server.client() as c:
            c.send(b"GET / HTTP/1.1\r\nHost: loc")

    def test_nobody_has_asked(self):
        self.check(self.serve())

    def test_after_every_kind_of_traffic(self):
        server = self.serve()
        self.traffic(server)
        text = self.check(server)
        for name in ("slipway_drift_psi", "slipway_request_seconds_bucket", "slipway_predicted_rows_total",
                     "slipway_version_seconds_bucket", "slipway_version_requests_total"):
            self.assertRegex(text, rf"(?m)^{name}{{")

    def test_through_queues_and_runners(self):
        server = self.serve("--isolate", "always")
        self.traffic(server)
        text = self.check(server)
        self.assertRegex(text, r"(?m)^slipway_batch_rows_bucket{")

    def test_with_a_canary(self):
        self.deploy(self.train("titanic", "survived", 3, "--drop", "name,ticket,cabin,home.dest", output="canary.onnx"),
                    "--name", "titanic", "--alias", "candidate")
        server = self.serve()
        body = json.dumps({"canary": 2, "weight": 500}).encode()
        put = post(body, "/api/v1/models/titanic/deployment").replace(b"POST ", b"PUT ", 1)
        self.assertEqual(server.ask(put).status, 200)
        path = "/api/v1/models/titanic/deployment"
        self.wait_until(lambda: (server.ask(get(path)).json()["canary"] or {}).get("loaded"))
        self.traffic(server)
        self.check(server)

    def test_names_with_every_character(self):
        path = os.path.join(self.folder, "odd.csv")
        with open(path, "w", encoding="utf-8") as f:
            f.write('"quo""te","back\\slash","li\nne",y\n')
            f.writelines(f"{i % 7},{i % 5},{i % 3},{'a' if i % 2 else 'b'}\n" for i in range(200))
        subprocess.run([os.environ["SLIPWAY"], "train", path, "--target", "y", "--set", "n_trees=2", "-o",
                        os.path.join(self.folder, "odd.onnx")], check=True, env=self.environment, capture_output=True)
        self.deploy(os.path.join(self.folder, "odd.onnx"))
        server = self.serve()
        rows = [{'quo"te': i % 7, "back\\slash": i % 5, "li\nne": i % 3} for i in range(100)]
        for _ in range(6):
            answer = server.ask(post(json.dumps({"rows": rows}).encode(), "/api/v1/models/odd/predict"))
            self.assertEqual(answer.status, 200, answer.body)
        columns = re.findall(r'(?m)^slipway_drift_psi{model="odd",version="1",column="(.*)"}', self.check(server))
        self.assertEqual(columns, ['quo\\"te', "back\\\\slash", "li\\nne"])


if __name__ == "__main__":
    unittest.main()
