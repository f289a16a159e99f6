"""The program under test, run as people run it: for the tests in this folder."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

PROGRAM = os.environ["SLIPWAY"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, "examples")


class ProgramTest(unittest.TestCase):
    """Each test has a folder and a registry of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="slipway-cli-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        self.environment["SLIPWAY_DATA_DIR"] = self.path("registry")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, content):
        data = content if isinstance(content, bytes) else content.encode()
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def run_program(self, *arguments, status=0, timeout=60, stdin=subprocess.DEVNULL, **environment):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=timeout, stdin=stdin,
                              cwd=self.folder, env={**self.environment, **environment})
        self.assertEqual(done.returncode, status, f"{arguments}: {done.stdout}{done.stderr}")
        return done

    def fail_program(self, *arguments, status=1, says=(), **environment):
        """The program fails with one clear line, and nothing of the sanitizers'."""
        done = self.run_program(*arguments, status=status, **environment)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)
        return done

    def run_json(self, *arguments, **options):
        return json.loads(self.run_program(*arguments, "--json", **options).stdout)

    def serve(self, *arguments):
        """A server on a free port; the returned address is answered until the test ends."""
        process = subprocess.Popen([PROGRAM, *arguments, "--port", "0"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, cwd=self.folder, env=self.environment)
        self.addCleanup(self.stop, process)
        lines = []
        for line in process.stdout:
            lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                process.lines = lines
                return process, found.group()
        self.fail("".join(lines) + process.stderr.read())

    def stop(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, errors)
        self.assertNotIn("Sanitizer", errors)

    @staticmethod
    def get(address, body=None):
        """Status and parsed body of a GET, or of a POST of a JSON document."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data=data, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())
