"""slipway top: one look for people and for scripts, by socket and by address; the screen, and what is left of it."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
import unittest

from helpers.service import BODY, PROGRAM, Server, ServiceTest, post, run

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class Top(ServiceTest):
    def ask_until(self, end):
        with self.server.client() as c:
            while not end.is_set():
                c.ask(post())
                c.ask(post(b"{"))
                time.sleep(0.002)

    def setUp(self):
        end = threading.Event()
        asking = threading.Thread(target=self.ask_until, args=(end,))
        asking.start()
        self.addCleanup(asking.join)
        self.addCleanup(end.set)

    def fails(self, *words, environment=None):
        done = subprocess.run([PROGRAM, "top", "--once", *words], env=environment or self.environment,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr

    def test_a_look_for_scripts(self):
        time.sleep(0.1)
        look = json.loads(run(self.environment, "top", "--json", "--interval", "0.3"))
        self.assertGreater(look["requests_per_s"], 10)
        self.assertAlmostEqual(look["client_errors_per_s"], look["requests_per_s"] / 2, delta=10)
        self.assertEqual(look["server_errors_per_s"], 0)
        self.assertGreater(look["p99_s"], look["p50_s"])
        self.assertGreaterEqual(look["connections"], 1)
        versions = {(v["model"], v["version"]): v for v in look["versions"]}
        self.assertEqual(set(versions), {("titanic", 1), ("diabetes", 1)})
        one = versions["titanic", 1]
        self.assertTrue(one["serving"] and one["drift_watched"])
        self.assertGreater(one["memory_bytes"], 1000)
        self.assertGreater(one["requests_per_s"], 10)
        self.assertEqual(one["rows_per_s"], one["requests_per_s"])  # a row a request
        self.assertGreater(one["p99_s"], 0)  # the first request of a thread is measured
        self.assertEqual(versions["diabetes", 1]["requests_per_s"], 0)
        self.assertIsNone(versions["diabetes", 1]["p50_s"])

    def test_a_look_for_people(self):
        for words in ([], ["--once"], ["--server", f"http://127.0.0.1:{self.server.port}"]):
            text = run(self.environment, "top", "--interval", "0.2", *words)
            self.assertNotIn("\x1b", text)
            self.assertRegex(text, r"(?m)^[0-9.,]+ requests/s  [0-9.,]+ rows/s  p50 .* of the server$")
            self.assertRegex(text, r"(?m)^MODEL +VERSION +REQUESTS/S .* DRIFT$")
            self.assertRegex(text, r"(?m)^titanic +1\* ")

    def test_a_key_where_one_is_wanted(self):
        environment = {**self.environment, "SLIPWAY_DATA_DIR": os.path.join(self.folder, "guarded")}
        run(environment, "deploy", self.titanic)
        words = run(environment, "keys", "create", "looks", "--role", "monitor", "--json")
        key = os.path.join(self.folder, "monitor.key")
        with open(key, "w") as f:
            f.write(json.loads(words)["key"] + "\n")
        server = Server(environment)
        self.addCleanup(server.stop)
        url = f"http://127.0.0.1:{server.port}"
        self.assertIn("the server answered 401", self.fails("--server", url, environment=environment))
        self.assertIn("titanic", run(environment, "top", "--once", "--server", url, "--key-file", key))
        self.assertIn("titanic", run(environment, "top", "--once"))  # the socket asks for none

    def test_faults(self):
        nowhere = {**self.environment, "SLIPWAY_DATA_DIR": os.path.join(self.folder, "nowhere")}
        self.assertIn("no server runs over", self.fails(environment=nowhere))
        self.assertIn("top:", self.fails("--server", "http://127.0.0.1:9"))
        self.assertIn("seconds", self.fails("--interval", "0"))
        self.assertIn("one word too many", self.fails("titanic"))

    def test_the_screen_is_given_back(self):
        for ask_twice in (False, True):
            pid, terminal = pty.fork()
            if pid == 0:
                os.execve(PROGRAM, [PROGRAM, "top", "--interval", "0.2"], self.environment)
            seen = ""
            while seen.count("\x1b[H") < 3:
                seen += os.read(terminal, 65536).decode()
            os.write(terminal, b"\x03")
            if ask_twice:
                time.sleep(0.05)
                os.write(terminal, b"\x03")
            try:
                while more := os.read(terminal, 65536):
                    seen += more.decode()
            except OSError:  # Linux's way to say that nobody is at the other end
                pass
            os.close(terminal)
            _, status = os.waitpid(pid, 0)
            self.assertIn(os.waitstatus_to_exitcode(status), (0, 130))
            self.assertTrue(seen.startswith(ENTER), seen[:40])
            self.assertIn(LEAVE, seen)
            self.assertNotIn("MODEL", seen.rsplit(LEAVE, 1)[1])
            self.assertRegex(seen, r"titanic +1\*")
            lines = re.split(r"\r+\n", seen.split("\x1b[H")[1])
            self.assertTrue(all(line.endswith("\x1b[K") for line in lines[:-1]), lines)

    def test_a_stop_ends_it(self):
        process = subprocess.Popen([PROGRAM, "top", "--once", "--interval", "30"], env=self.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=10)
        self.assertEqual((process.returncode, out, said), (0, b"", b""))


if __name__ == "__main__":
    unittest.main()
