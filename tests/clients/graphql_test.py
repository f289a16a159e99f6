"""GraphQL before programs of others: graphql-http's audits, and graphql-js, which must see the schema as documented."""
# Venv: clients
# SPDX-License-Identifier: Apache-2.0
import collections
import json
import os
import subprocess
import unittest

from helpers.service import ROOT, ServiceTest

NODE = os.path.join(ROOT, "tests/tools/node-modules")
HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA = os.path.join(ROOT, "docs/schema.graphql")


class GraphQlClients(ServiceTest):
    def node(self, script, *arguments):
        done = subprocess.run([NODE, "node", os.path.join(HERE, script), *arguments], capture_output=True, text=True,
                              check=False, timeout=300)
        if done.returncode == 77:
            self.skipTest("the packages of npm are not here")
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        return done.stdout

    def url(self):
        return f"http://127.0.0.1:{self.server.port}/graphql"

    def test_audits_and_schema(self):
        found = json.loads(self.node("graphql_audit.cjs", self.url()))
        missed = [f"{a['id']} {a['name']}: {a['reason']}" for a in found["audits"] if a["status"] != "ok"]
        self.assertEqual(missed, []) # the MAYs too
        kinds = collections.Counter(a["name"].split()[0] for a in found["audits"])
        self.assertEqual(kinds, {"MUST": 13, "SHOULD": 23, "MAY": 25})
        self.assertEqual(found["problems"], [])
        with open(SCHEMA, encoding="utf-8") as file:
            self.assertEqual(found["schema"].strip(), file.read().strip())

    def test_verdicts_agree(self):
        """Documents made from the served schema, sound and damaged: graphql-js must find valid what we do."""
        found = json.loads(self.node("graphql_differ.cjs", self.url(), os.environ.get("SEED", "20261124"), "600"))
        self.assertEqual(found["differ"], [])
        self.assertGreater(min(found["counts"]["valid"], found["counts"]["invalid"]), 150, found["counts"])
        self.assertLess(found["counts"]["limit"], 30, found["counts"])


if __name__ == "__main__":
    unittest.main()
