"""Packages between registries: signed here, sent to a server, fetched from it; and what does not match is refused."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import unittest

from helpers.service import PROGRAM, Server, ServiceTest, get, run


class Push(ServiceTest):
    def setUp(self):
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.here = {**self.environment, "SLIPWAY_DATA_DIR": os.path.join(self.folder, self.id())}
        self.key = os.path.join(self.folder, self.id() + ".key")
        run(self.here, "deploy", self.titanic)
        run(self.here, "sign", "--make-key", self.key)

    def fails(self, *words, environment=None):
        done = subprocess.run([PROGRAM, *words], env=environment or self.here, capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr

    def test_signed_versions_travel(self):
        self.assertIn("is not signed", run(self.here, "verify", "titanic"))
        self.assertIn("is not signed", self.fails("verify", "titanic", "--trusted", self.key + ".pub"))
        run(self.here, "sign", "titanic", "--key", self.key)
        signer = json.loads(run(self.here, "verify", "titanic", "--trusted", self.key + ".pub", "--json"))["signers"][0]

        said = run(self.here, "push", "titanic", self.url, "--name", "sent", "--alias", "production")
        self.assertEqual(said, "sent titanic as sent version 1, production, 1 signature\n")
        self.wait_until(lambda: self.server.ask(get("/api/v1/models/sent")).status == 200)
        self.assertEqual(run(self.here, "push", "titanic", self.url, "--name", "sent"),
                         "sent titanic as sent version 1, 1 signature\n")  # again: nothing new

        there = {**self.here, "SLIPWAY_DATA_DIR": os.path.join(self.folder, self.id() + "-there")}
        run(there, "pull", "sent", self.url, "--trusted", self.key + ".pub", "--alias", "production")
        verified = json.loads(run(there, "verify", "sent", "--json"))
        self.assertEqual(verified["signers"], [signer])
        self.assertEqual(verified["digest"], json.loads(run(self.here, "verify", "titanic", "--json"))["digest"])
        run(there, "predict", "sent", os.path.join(os.path.dirname(__file__), "../../examples/titanic.csv"), "-o",
            os.path.join(self.folder, "predictions.csv"))

    def test_what_is_not_trusted_stays_where_it_is(self):
        # Signatures belong to the package, under whichever name: one of its own is needed here.
        run(self.here, "deploy", self.train("titanic", "survived", 3, output="unsigned.onnx"), "--name", "titanic")
        run(self.here, "push", "titanic", self.url, "--name", "unsigned", "--alias", "production")
        there = {**self.here, "SLIPWAY_DATA_DIR": os.path.join(self.folder, self.id() + "-there")}
        self.assertIn("is not signed", self.fails("pull", "unsigned", self.url, "--trusted", self.key + ".pub",
                                                  environment=there))
        other = self.key + "2"
        run(self.here, "sign", "--make-key", other)
        run(self.here, "sign", "titanic", "--key", self.key)
        run(self.here, "push", "titanic", self.url, "--name", "unsigned")
        self.assertIn("not by a trusted key", self.fails("pull", "unsigned", self.url, "--trusted", other + ".pub",
                                                     environment=there))
        self.assertIn("no model \"unsigned\"", self.fails("verify", "unsigned", environment=there))

    def test_a_server_that_wants_signatures_serves_nothing_else(self):
        strict = {**self.environment, "SLIPWAY_DATA_DIR": os.path.join(self.folder, self.id() + "-strict")}
        server = Server(strict, "--trusted-keys", self.key + ".pub")
        self.addCleanup(server.stop)
        url = f"http://127.0.0.1:{server.port}"
        run(strict, "deploy", self.titanic, "--name", "m")  # signed by nobody that it trusts
        self.wait_until(lambda: server.ask(get("/api/v1/models/m")).status == 200)
        card = server.ask(get("/api/v1/models/m")).json()
        self.assertEqual(card["status"], "broken")
        self.assertIn("signed", card["fault"])
        path = self.train("titanic", "survived", 4, output="strict.onnx")
        run(self.here, "deploy", path, "--name", "good")
        run(self.here, "sign", "good", "--key", self.key)
        run(self.here, "push", "good", url, "--alias", "production")
        self.wait_until(lambda: server.ask(get("/api/v1/models/good")).status == 200 and
                        server.ask(get("/api/v1/models/good")).json()["status"] == "serving")
        self.assertIn("No such file", self.fails("serve", "--port", "0", "--trusted-keys", "/nowhere"))

    def test_faults_say_what_and_where(self):
        self.assertIn("the server answered 404: no model \"nothing\"", self.fails("pull", "nothing", self.url))
        self.assertIn("127.0.0.1", self.fails("push", "titanic", "http://127.0.0.1:1"))
        self.assertIn("no http or https URL", self.fails("push", "titanic", "models.example.org"))
        self.assertIn("which key?", self.fails("sign", "titanic"))
        self.assertIn("No such file", self.fails("sign", "titanic", "--key", "/nowhere"))


if __name__ == "__main__":
    unittest.main()
