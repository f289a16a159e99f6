# The lines of docs/protocols/jobs.md, pasted into a shell.
# SPDX-License-Identifier: Apache-2.0
import os
import re
import shutil
import subprocess
import sys
import unittest

from helpers.service import ROOT, ServiceTest

NEEDED = ["bash", "curl", "jq", "sha256sum"]


class Walk(ServiceTest):
    def test_the_page_can_be_pasted(self):
        with open(os.path.join(ROOT, "docs", "protocols", "jobs.md")) as f:
            script = re.search(r"```sh\n(.*?)```", f.read(), re.S).group(1)
        done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=100,
                              env={**os.environ, "URL": f"http://127.0.0.1:{self.server.port}"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for text in ["event: progress", '"succeeded"', '"titanic-web"', '"label"', "prediction,probability_0,probability_1"]:
            self.assertIn(text, done.stdout)


if __name__ == "__main__":
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing or b"--json" not in subprocess.run(["curl", "--help", "all"], capture_output=True).stdout:
        print("skipped: no", ", ".join(missing) or "curl that knows --json")
        sys.exit(77)
    unittest.main()
