# slipway up: from a data file to a served model, and what a running server sees of it.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import subprocess
import time
import unittest

from cli.program import EXAMPLES, PROGRAM, ProgramTest

TITANIC = os.path.join(EXAMPLES, "titanic.csv")
UP = ["up", TITANIC, "--target", "survived", "--set", "n_trees=10", "--set", "depth_max=4"]


class Up(ProgramTest):
    def read_until_blank(self, process):
        """The rest of what `up` prints once it serves: the curl line stands between two blank ones."""
        lines = []
        while True:
            line = process.stdout.readline()
            self.assertNotEqual(line, "")
            lines.append(line)
            if "curl" in line:
                return lines

    def test_serves_and_its_curl_line_works(self):
        process, address = self.serve(*UP)
        text = "".join(process.lines)
        for stage in ["read", "profile", "clean", "split", "prepare", "train", "evaluate", "register", "deploy", "serve"]:
            self.assertRegex(text, rf"(?m)^{stage}\b")
        self.assertIn("accuracy", text)
        curl = self.read_until_blank(process)[-1].strip()
        done = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
        self.assertIn(answer["predictions"][0]["label"], (0, 1))
        self.assertAlmostEqual(sum(answer["predictions"][0]["probabilities"].values()), 1, places=6)
        status, models = self.get(address + "/api/v1/models")
        self.assertEqual(status, 200)
        self.assertIn("titanic", json.dumps(models))

    def test_same_data_reuse_the_version_changed_data_do_not(self):
        process, _ = self.serve(*UP)
        self.stop(process)
        process, _ = self.serve(*UP)
        self.assertIn("reused", "".join(process.lines))
        self.stop(process)
        with open(TITANIC) as f:
            lines = f.readlines()
        changed = self.write("titanic.csv", "".join(lines[:-1]))
        process, _ = self.serve("up", changed, *UP[2:])
        self.assertNotIn("reused", "".join(process.lines))
        self.assertEqual(len(self.run_json("models", "titanic")["versions"]), 2)

    def test_deploys_into_a_running_server(self):
        process, address = self.serve("serve")
        port = address.rsplit(":", 1)[1]
        self.assertEqual(self.get(address + "/api/v1/models/titanic")[0], 404)
        j = json.loads(self.run_program(*UP, "--port", port, "--json").stdout)
        self.assertTrue(j["server_was_running"])
        deadline = time.monotonic() + 20
        while self.get(address + "/api/v1/models/titanic")[0] != 200:
            self.assertLess(time.monotonic(), deadline, "the server never saw the deployment")
            time.sleep(0.05)
        row = json.loads(j["curl"].split("-d '", 1)[1].rstrip("'"))
        status, answer = self.get(address + "/api/v1/models/titanic/predict", row)
        self.assertEqual((status, answer["version"]), (200, 1))

    def test_port_in_use_by_somebody_else(self):
        import socket
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = str(s.getsockname()[1])
            done = self.fail_program("serve", "--port", port, says=port)
            self.assertIn("in use", done.stderr)

    def test_without_target_lists_likely_columns(self):
        self.fail_program("up", TITANIC, status=2, says="survived")

    def test_stops_on_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process, _ = self.serve("serve")
            process.send_signal(number)
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 0)

    def test_bar_on_a_terminal(self):
        import pty
        parent, child = pty.openpty()
        process = subprocess.Popen([PROGRAM, "train", TITANIC, "--target", "survived", "-o", self.path("m.onnx")],
                                   stdout=child, stderr=child, env=self.environment, cwd=self.folder)
        os.close(child)
        text = b""
        while True:
            try:
                piece = os.read(parent, 4096)
            except OSError:
                break
            if not piece:
                break
            text += piece
        os.close(parent)
        self.assertEqual(process.wait(), 0)
        self.assertIn(b"100%", text)


if __name__ == "__main__":
    unittest.main()
