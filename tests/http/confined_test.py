# What a running server has given up, as the kernel tells it, and that everything it is for still goes.
# SPDX-License-Identifier: Apache-2.0
import glob
import json
import os
import unittest

from helpers.nets import row, write_net
from helpers.service import Server, ServiceTest, children, get, post


def status(path):
    with open(path) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


class Confined(ServiceTest):
    def test_every_thread_has_given_up_privileges_and_calls(self):
        self.wait_until(lambda: len(glob.glob(f"/proc/{self.server.process.pid}/task/*/status")) > 5)
        tasks = glob.glob(f"/proc/{self.server.process.pid}/task/*/status")
        for task in tasks:
            says = status(task)
            self.assertEqual((says["NoNewPrivs"], says["Seccomp"]), ("1", "2"), task)
        log = self.server.read_log()
        self.assertNotIn("not confined", log)
        self.assertNotIn("not restricted", log)

    def test_it_still_starts_runners_for_what_is_deployed_later(self):
        self.deploy(write_net(os.path.join(self.folder, "net.onnx"), width=16, layers=2))
        body = b'{"rows":[' + json.dumps(row()).encode() + b"]}"
        self.wait_until(lambda: self.server.ask(post(body, "/api/v1/models/net/predict")).status == 200)
        (pid, _, name), = children(self.server.process.pid)
        self.assertEqual(name, "slipway-runner")
        self.assertEqual(status(f"/proc/{pid}/status")["Seccomp_filters"], "2")  # the server's, and its own

    def test_it_can_be_switched_off(self):
        server = Server(dict(self.environment, SLIPWAY_SANDBOX="no"))
        try:
            says = status(f"/proc/{server.process.pid}/status")
            self.assertEqual((says["NoNewPrivs"], says["Seccomp"]), ("0", "0"))
            self.assertEqual(server.ask(get()).status, 200)
        finally:
            server.stop()


if __name__ == "__main__":
    unittest.main()
