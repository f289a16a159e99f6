"""Schemathesis over the served description: no 5xx, and every answer is what the description says."""
# Venv: clients
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import unittest

from helpers.service import ServiceTest

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "unsupported_method", "allow_header_conformance"]
# They would take the models away from the others, which then say 503, as described.
LEFT_OUT = ["deleteModel", "deleteVersion", "deleteAlias", "v2Unload", "unloadModel", "unloadVersion"]
# 503 is how they say "no", of a version that is not there too.
LEFT_OUT += ["v2ModelReady", "v2VersionReady"]
# With the first key the others would want one.
LEFT_OUT += ["createKey"]
SECONDS = 100


class Description(ServiceTest):
    def test_answers_are_as_described(self):
        tool = os.path.join(os.path.dirname(sys.executable), "schemathesis")
        command = [tool, "run", f"http://127.0.0.1:{self.server.port}/openapi.json", "--phases=examples,coverage,fuzzing",
                   "--max-examples=3", "--seed=7", "--checks=" + ",".join(CHECKS), "--continue-on-failure", "--no-shrink",
                   f"--max-time={SECONDS}", "--generation-database=none", "--warnings=off", "--no-color"]
        for operation in LEFT_OUT:
            command.append("--exclude-operation-id=" + operation)
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, timeout=3 * SECONDS)
        self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr)
        self.assertTrue(self.server.alive())


if __name__ == "__main__":
    unittest.main()
