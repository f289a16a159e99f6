# slowhttptest's four attacks at once, each with more connections than a server of threads would have: everybody else is
# served as if nothing were the matter, and the attackers are cut at their deadlines.
# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import subprocess
import sys
import time
import unittest

from helpers.service import BODY, DEADLINES, PASSENGER, PREDICT, PROGRAM, ServiceTest, get, post

if not shutil.which("slowhttptest"):
    print("SKIP: no slowhttptest")
    sys.exit(77)

SECONDS, CONNECTIONS = 8, 300


class Slow(ServiceTest):
    arguments = ["--connections-max", "4000"]
    deadlines = {**DEADLINES, "SLIPWAY_HEADER_MS": "3000", "SLIPWAY_BODY_MS": "3000", "SLIPWAY_WRITE_MS": "3000"}

    def test_everybody_else_is_served(self):
        url = f"http://127.0.0.1:{self.server.port}"
        common = ["-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-l", str(SECONDS), "-i", "1", "-p", "1"]
        attacks = {
            "header": ["-H", "-u", url + "/health/live"],
            "body": ["-B", "-s", "8192", "-t", "POST", "-u", url + PREDICT, "-f", "application/json"],
            "range": ["-R", "-a", "1", "-b", "3000", "-u", url + "/health/live"],
            "read": ["-X", "-w", "1", "-y", "8", "-n", "1", "-z", "4", "-k", "3", "-u", url + "/openapi.json"],
        }
        before = self.server.memory()
        running = [subprocess.Popen(["slowhttptest", *common, *a], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for a in attacks.values()]
        big = json.dumps({"rows": [PASSENGER] * 1000}).encode()
        longest, most, n, end = 0, 0, 0, time.monotonic() + SECONDS
        try:
            while time.monotonic() < end:
                start = time.monotonic()
                for data in [get(), post(BODY), post(big)]:
                    self.assertEqual(self.server.ask(data).status, 200)
                longest = max(longest, time.monotonic() - start)
                n += 1
                if n % 10 == 0:
                    most = max(most, self.server.metric("slipway_connections"))
        finally:
            for process in running:
                process.terminate()
                process.wait(20)
        print(f"{n} rounds, the longest {longest * 1000:.0f} ms, {most:.0f} connections at once")
        self.assertGreater(most, CONNECTIONS)  # the attack took place
        self.assertLess(longest, 2)
        self.assertGreater(self.server.metric("slipway_timeouts_total"), CONNECTIONS)
        self.wait_until(lambda: self.server.metric("slipway_connections") <= 2, 15)
        self.assertLess(self.server.memory() - before, 400_000_000 if "debug" in PROGRAM else 50_000_000)


if __name__ == "__main__":
    unittest.main()
