# testssl.sh looks for weak protocols, suites and known holes in a server's TLS; it must find none. Nothing is looked up.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import subprocess
import sys
import unittest

from helpers.certificates import Authority
from helpers.service import ServiceTest

PROGRAM = shutil.which("testssl") or shutil.which("testssl.sh")
if not PROGRAM:
    print("SKIP: no testssl.sh")
    sys.exit(77)

# The certificate is the test's own, good for a day and signed by nobody that is known; and the tool's remarks on itself.
NOT_OURS = ("cert_", "engine_problem", "scanProblem", "DNS_")


class Weak(ServiceTest):
    @classmethod
    def setUpClass(cls):
        folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"slipway-testssl-{os.getpid()}")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cert, key = Authority(folder).sign("server")
        cls.report = os.path.join(folder, "report.json")
        cls.arguments = ["--tls-cert", cert, "--tls-key", key]
        super().setUpClass()

    def test_nothing_weak_is_found(self):
        subprocess.run([PROGRAM, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "-p", "-s", "-f", "-P", "-S",
                        "-U", "--jsonfile", self.report, f"127.0.0.1:{self.server.port}"],
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=400, check=False)
        with open(self.report) as f:
            findings = json.load(f)
        found = {f["id"]: f for f in findings}
        found.setdefault("FS", found.get("PFS"))  # as older versions call it
        for name, says in [("TLS1", "not offered"), ("TLS1_1", "not offered"), ("SSLv3", "not offered"), ("TLS1_2", "offered"),
                           ("TLS1_3", "offered"), ("FS", "offered"), ("heartbleed", "not vulnerable"),
                           ("secure_client_renego", "not vulnerable")]:
            self.assertTrue(found[name]["finding"].startswith(says), found[name])
        bad = [f for f in findings if f["severity"] not in ("OK", "INFO") and not f["id"].startswith(NOT_OURS)]
        self.assertEqual(bad, [])


if __name__ == "__main__":
    unittest.main()
