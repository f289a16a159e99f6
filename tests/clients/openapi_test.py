"""The served description, before a linter that others use."""
# Venv: clients
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import tempfile
import unittest
import urllib.request

from helpers.service import ROOT, ServiceTest

NODE = os.path.join(ROOT, "tests/tools/node-modules")


class OpenApi(ServiceTest):
    def test_linter_is_silent(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}/openapi.json") as answer:
            document = json.load(answer)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "openapi.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(document, file)
            done = subprocess.run([NODE, "redocly", "lint", "--extends=recommended",
                                   "--skip-rule=operation-2xx-response", path], capture_output=True, text=True,
                                  check=False)
        if done.returncode == 77:
            self.skipTest("the packages of npm are not here")
        # Skipped: routes that are there to refuse, for language models and shared memory, have no 2xx.
        self.assertEqual((done.returncode, "arning was" in done.stdout + done.stderr), (0, False), done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
